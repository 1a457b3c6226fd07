"""The server refuses: for now, or for good."""

import asyncio
import tempfile
import time

import certificates
from server import PROXY
from stage import NODE, OTHER_PORT, POD_PORT, own_node, service, to_other_port

HEALTHZ = 10256
MOST_HANDSHAKES = 16  # in the first seconds
NODE_PATIENCE_SECONDS = 30.0  # that kproxy waits for its Node


async def server_absent(stage):
    """Without a server kproxy waits, and the rules of a former run stay in force OPS-02"""
    await (await stage.start()).stop()
    stage.server.kill()
    async with stage.unbroken("without a server"):
        with stage.transactions() as transactions:
            daemon = await stage.launch()
            await asyncio.sleep(4.0)
            stage.check(daemon.running, "kproxy waits for it", daemon.tail())
            stage.check(not transactions.of(daemon.pid), "and does nothing")
        stage.server.put(*service("new", 2, "a1").objects())
        stage.server.start()
        await stage.check_settled("once there is one", 8)


async def starting(stage):
    """403 while the server loads its roles is no reason to give up"""
    stage.server.starting = True
    daemon = await stage.launch()
    await stage.until(lambda: len(stage.requests("watch")) >= 4)
    await asyncio.sleep(1.5)
    stage.check(daemon.running, "kproxy goes on", daemon.tail())
    stage.server.starting = False
    await stage.check_settled("once it has them", 8)
    stage.server.starting = True
    stage.server.restart()
    async with stage.unbroken("while it starts again"):
        await asyncio.sleep(1.5)
        stage.server.starting = False
        stage.server.put(*service("new", 2, "a1").objects())
        await stage.check_settled("once it has them again", 8)


async def too_many_requests(stage):
    """429 and 503: asked again no sooner than Retry-After says"""
    for resource, status in (("services", 429), ("endpointslices", 503)):
        stage.server.faults.add(resource=resource, status=status, retry_after=3, times=2)
    await stage.launch()
    await stage.check_settled("in the end", 15)
    for resource in ("services", "endpointslices"):
        times = [one.time for one in stage.requests("", resource)][:3]
        waits = [later - earlier for earlier, later in zip(times, times[1:])]
        stage.check(len(waits) == 2 and min(waits) >= 2.95, f"{resource}: 3 s are waited", waits)
        stage.check(waits and max(waits) < 6, f"{resource}: and not much more", waits)


async def errors(stage):
    """500, 502 and 504, and connections that close without an answer: asked again at growing intervals OPS-13"""
    stage.server.faults.add(close=True, resource="services")
    for status in (500, 502, 504):
        stage.server.faults.add(status=status, resource="services")
    await stage.launch()
    await stage.check_settled("in the end", 30)
    times = [one.time for one in stage.requests("", "services")]
    waits = [later - earlier for earlier, later in zip(times, times[1:])][:4]
    stage.check(len(waits) == 4 and min(waits) >= 0.7 and waits[3] > 2 * waits[0] and max(waits) < 37,
                "intervals grow from 0.8 s", [f"{wait:.2f}" for wait in waits])


async def rotated_token(stage):
    """The token is replaced, as the kubelet does: 401 until the new one is read"""
    tokens = stage.folder / "token"
    tokens.write_text("fake-first-token\n")
    stage.server.tokens = {"fake-first-token": PROXY}
    stage.kubeconfig = stage.server.kubeconfig(stage.folder / "kubeconfig", token_file=tokens)
    await stage.start()
    await stage.watching()
    stage.server.tokens = {"fake-second-token": PROXY}
    stage.server.restart()
    stage.server.put(*to_other_port(stage.web.objects()))
    async with stage.unbroken("while the token is wrong", allowed=(POD_PORT, OTHER_PORT)):
        stage.check(await stage.until(lambda: [one for one in stage.requests() if one.status == 401]), "401 at first")
        new = stage.folder / "token.new"
        new.write_text("fake-second-token\n")
        new.rename(tokens)
        await stage.check_settled("with the new token", 15)


async def client_certificate(stage):
    """kproxy identifies itself by a certificate"""
    certificate = stage.server.authority.client(PROXY)
    stage.server.tokens = {}
    stage.kubeconfig = stage.server.kubeconfig(stage.folder / "kubeconfig", certificate=certificate)
    await stage.launch()
    await stage.check_settled("after the start")
    stage.check(not any("authorization" in one.headers for one in stage.requests()), "and sends no token")


async def impostor(stage):
    """A server whose certificate another authority signed is told nothing, least of all the token"""
    stage.server.kill()
    with tempfile.TemporaryDirectory() as folder:
        stage.server.start(await asyncio.to_thread(certificates.Authority, folder))
        daemon = await stage.launch()
        await stage.until(lambda: stage.server.listener.count)
        await asyncio.sleep(1.0)
        stage.check(not stage.requests(), "no request is made", [str(one) for one in stage.requests()])
        stage.check(daemon.running, "kproxy waits for a better one", daemon.tail())
        stage.check(stage.server.listener.count <= MOST_HANDSHAKES, "with patience", stage.server.listener.count)
        stage.server.kill()
    stage.server.start()
    await stage.check_settled("with the right one", 10)


async def no_service_cidrs(stage):
    """A server without ServiceCIDRs: the rest works, and it is not asked over and over NODE-03"""
    stage.server.missing = {"servicecidrs"}
    stage.server.store.delete("servicecidrs", "", "kubernetes")
    began = time.monotonic()
    await stage.launch()
    seconds = await stage.check_settled("after the start")
    stage.check(seconds < 3, "at once", f"{seconds:.1f} s")
    stage.server.put(*to_other_port(stage.web.objects()))
    await stage.check_settled("after a change", 3)
    await asyncio.sleep(max(0, began + 6 - time.monotonic()))
    stage.check(len(stage.requests("", "servicecidrs")) <= 3, "it is asked for ServiceCIDRs a few times at most",
                len(stage.requests("", "servicecidrs")))


async def late_node(stage):
    """The Node is registered a while after kproxy has started: waited for OPS-03"""
    stage.server.store.delete("nodes", "", NODE)
    daemon = await stage.launch()
    await asyncio.sleep(2.0)
    stage.check(daemon.running and not stage.hooked(), "nothing is programmed without the Node", daemon.tail())
    stage.server.put(own_node())
    seconds = await stage.check_settled("once it is there")
    stage.check(seconds < 3, "at once", f"{seconds:.1f} s")


async def no_node(stage):
    """There is no Node: after 30 s kproxy goes on without OPS-03"""
    stage.server.store.delete("nodes", "", NODE)
    daemon = await stage.launch()
    began = time.monotonic()
    await asyncio.sleep(NODE_PATIENCE_SECONDS / 2)
    stage.check(daemon.running and not stage.hooked(), "nothing is programmed for a while", daemon.tail())
    await stage.until(stage.hooked, NODE_PATIENCE_SECONDS)
    waited = time.monotonic() - began
    stage.check(stage.hooked() and waited > NODE_PATIENCE_SECONDS - 3, "then it is, all the same", f"{waited:.1f} s")
    stage.check(await stage.answers(stage.web) == "pod:8080", "and Services answer")


async def events_refused(stage):
    """A server that takes no Events is followed all the same OPS-07"""
    stage.server.faults.add(resource="events", status=500, times=99)
    daemon = await stage.launch()
    await stage.check_settled("after the start")
    await asyncio.sleep(2.0)
    stage.check(daemon.running, "kproxy runs", daemon.tail())


async def health(stage):
    """/healthz and /livez are 200 while the server is away OPS-13 HC-06"""
    await stage.start()
    stage.server.kill()
    await asyncio.sleep(2.0)
    for path in ("/healthz", "/livez"):
        status, text = await stage.get(HEALTHZ, path)
        stage.check(status == 200, f"{path} is 200", f"{status} {text}")


async def late_token(stage):
    """There is no token file yet: kproxy waits for it"""
    tokens = stage.folder / "token"
    stage.kubeconfig = stage.server.kubeconfig(stage.folder / "kubeconfig", token_file=tokens)
    daemon = await stage.launch()
    await asyncio.sleep(1.0)
    stage.check(daemon.running, "it waits", daemon.tail())
    tokens.write_text("fake-proxy-token")
    await stage.check_settled("once it is there", 10)


async def no_ipv6(stage):
    """A kernel without IPv6 under an IPv6 node: refused, unless bindAddress says otherwise DS-02 DS-03"""
    stage.namespace.sysctl({"net/ipv6/conf/all/disable_ipv6": "1"})
    ipv6_first = own_node()
    ipv6_first["status"]["addresses"].reverse()
    stage.server.put(ipv6_first)
    daemon = await stage.launch()
    stage.check(await stage.until(lambda: not daemon.running), "kproxy ends")
    told = daemon.matching("no support for primary IP family")
    stage.check(told and not stage.hooked(), "says why, and has programmed nothing", daemon.tail())
    stage.check(daemon.process.returncode == 1, "with exit status 1", daemon.process.returncode)
    stage.daemons.remove(daemon)  # for it has not crashed
    stage.configure("bindAddress: 192.168.0.10\n")
    daemon = await stage.launch()
    await stage.check_settled("with bindAddress")
    stage.check(daemon.running, "kproxy runs", daemon.tail())


SCENARIOS = [no_node, server_absent, starting, too_many_requests, errors, rotated_token, client_certificate, impostor,
             no_service_cidrs, late_node, events_refused, health, late_token, no_ipv6]

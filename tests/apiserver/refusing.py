"""The server refuses: for now, or for good."""

import asyncio
import contextlib
import json
import signal
import socket
import tempfile
import time

import certificates
import netlink
from cluster import HEALTH_PORTS
from daemon import SYNCED
from process import cpu_seconds
from server import PROXY
from stage import NODE, OTHER_PORT, POD_PORT, own_node, service, to_other_port

HEALTHZ, METRICS = 10256, 10249
MOST_HANDSHAKES = 16  # in the first seconds
NODE_PATIENCE_SECONDS = 30.0  # that kproxy waits for its Node
PODCIDR_PATIENCE_SECONDS = 330.0  # and, in all, for its podCIDRs
CIDR_PATIENCE_SECONDS = 3.0  # for ServiceCIDRs, when all else is there
HURRY = 30  # times as fast
TROUBLE_SECONDS, TROUBLE_HURRY = 30.0, 20  # that syncs fail until the Node is told; times as fast
FOLLOWING = '"Following the API server"'
COLLECT_SECONDS = 5.5  # after which chains that are used no more have been removed
RETRY_SECONDS = 0.9  # before which a sync that failed is not tried again
AT_ONCE_SECONDS = 5.0  # before which it is not, after four failures
TIMES_TO_PLAY = 5  # at most, what has to happen within a short time


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
    stage.check(await stage.until(lambda: len(stage.requests("watch")) >= 4), "kproxy asks for everything")
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
        stage.check(await stage.until(lambda: stage.server.listener.count), "kproxy connects")
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


async def failing_service_cidrs(stage):
    """ServiceCIDRs that cannot be listed, or never are, keep nothing from being programmed for long; they are taken
    when they come NODE-03 OPS-05"""
    hurry = 10
    stage.most_requests *= hurry
    for what, fault in (("refused", {"status": 500, "times": 99}), ("never answered", {"hang": True})):
        stage.server.faults.add(resource="servicecidrs", **fault)
        began = time.monotonic()
        daemon = await stage.launch(through=["env", f"LD_PRELOAD={stage.options.hurry}", f"HURRY={hurry}"])
        await daemon.line(FOLLOWING)
        waited = (time.monotonic() - began) * hurry
        stage.check(waited > CIDR_PATIENCE_SECONDS, f"{what}: they are waited for a little", f"{waited:.1f} s")
        stage.check(await stage.until(stage.hooked), f"{what}: then the rest is programmed", daemon.tail())
        stage.check(await stage.answers(stage.web) == "pod:8080", f"{what}: Services answer")
        stage.check(len(daemon.matching("^W.*ServiceCIDRs")) == 1, f"{what}: the log says so once",
                    daemon.matching("ServiceCIDRs"))
        stage.server.faults.clear()
        await stage.check_settled(f"{what}, until they come")
        await daemon.stop()
        await stage.run("nft", "delete", "table", "inet", "kproxy")


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


async def late_server(stage):
    """The wait for the Node begins when the server first says that there is none, however long it was away
    OPS-02 OPS-03"""
    hurry = 10
    stage.most_requests *= hurry
    stage.server.store.delete("nodes", "", NODE)
    stage.server.kill()
    daemon = await stage.launch(through=["env", f"LD_PRELOAD={stage.options.hurry}", f"HURRY={hurry}"])
    await asyncio.sleep(1.5 * NODE_PATIENCE_SECONDS / hurry)
    stage.server.start()
    stage.check(await stage.until(lambda: stage.requests("watch", "nodes")), "kproxy asks for it", daemon.tail())
    asked = stage.requests("watch", "nodes")[0].time
    stage.check(await stage.until(stage.hooked), "in the end it goes on without", daemon.tail())
    waited = (time.monotonic() - asked) * hurry
    stage.check(waited > NODE_PATIENCE_SECONDS - 1, "not before it has waited for it", f"{waited:.1f} s")


async def no_pod_cidrs(stage):
    """In mode NodeCIDR a Node without podCIDRs is waited for, five minutes more; then kproxy gives up OPS-04"""
    stage.most_requests *= HURRY
    stage.configure("detectLocalMode: NodeCIDR\n")
    without = own_node()
    without["spec"] = {}
    for what, told in (("without podCIDRs", f'timeout waiting for PodCIDR allocation on node "{NODE}"'),
                       ("that is not there", f'timeout waiting for node "{NODE}" to exist')):
        stage.server.put(without)
        if "not there" in what:
            stage.server.store.delete("nodes", "", NODE)
        began = time.monotonic()
        daemon = await stage.launch(through=["env", f"LD_PRELOAD={stage.options.hurry}", f"HURRY={HURRY}"])
        stage.check(await stage.until(lambda: not daemon.running, 3 * PODCIDR_PATIENCE_SECONDS / HURRY),
                    f"a Node {what}: kproxy ends", daemon.tail())
        waited = (time.monotonic() - began) * HURRY
        stage.check(waited > PODCIDR_PATIENCE_SECONDS - HURRY, "not before its time", f"{waited:.0f} s")
        stage.check(daemon.process.returncode == 1 and daemon.matching(told.replace('"', r'\\?"')),
                    "with exit status 1, and says why", f"{daemon.process.returncode} {daemon.tail()}")
        stage.check(not stage.hooked(), "nothing was programmed")
        stage.daemons.remove(daemon)  # for it has not crashed


async def events_refused(stage):
    """A server that takes no Events is followed all the same OPS-07"""
    refusal = stage.server.faults.add(resource="events", status=500, times=99)
    daemon = await stage.launch()
    await stage.check_settled("after the start")
    stage.check(await stage.until(lambda: refusal.struck), "an event is sent, and refused")
    await asyncio.sleep(2.0)
    stage.check(daemon.running, "kproxy runs", daemon.tail())


async def owned_table(stage):
    """While the kernel refuses every sync no health port comes or goes, and conntrack is left alone; both follow the
    first that succeeds, which is at once when somebody touches the table OPS-17 OPS-11 HC-26 HC-28 MET-12 BEYOND-05"""
    def with_health_port(name, number):
        return service(name, number, "a1", vip="", etp="Local", protocols="udp").objects()

    def answer(number):
        return stage.status(HEALTH_PORTS + number)

    async def answers():
        return await answer(2), await answer(3)

    async def looked():
        return await metric(passes) > before[1]

    async def metric(name):
        _, text = await stage.get(METRICS, "/metrics")
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"kubeproxy_{name}{{"))

    failures, passes = "sync_proxy_rules_nftables_sync_failures_total", "conntrack_reconciler_sync_duration_seconds_count"
    stage.configure("nodePortAddresses: [0.0.0.0/0, '::/0']\n")
    stage.server.put(*with_health_port("before", 2))
    daemon = await stage.start()
    stage.check(await stage.last_answer(lambda: answer(2), 200) == 200, "there is a health port")
    stage.server.put(*service("another", 4, "a1,a2,a3").objects())  # what is unused now is to be collected in 5 s
    await stage.check_settled("after a change")
    with netlink.owned_table(stage.namespace, "kproxy"):
        await daemon.line("Cannot sync")
        before, used = (await metric(failures), await metric(passes)), cpu_seconds(daemon.pid)
        stage.server.delete(*with_health_port("before", 2))
        stage.server.put(*with_health_port("meanwhile", 3))
        await asyncio.sleep(8.0)  # of failures after 1, 3, 7 and 15 s
        used = cpu_seconds(daemon.pid) - used
        stage.check(used < 1.0, "meanwhile kproxy waits", f"{used} s of CPU")
        stage.check(await metric(failures) > before[0], "it is tried again, and fails", await metric(failures))
        stage.check(await answer(2) != 0, "the health port is still there")
        stage.check(await answer(3) == 0, "that of a new Service is not")
        stage.check(await metric(passes) == before[1], "nobody has looked for stale UDP flows")
        stage.check(daemon.running, "kproxy runs", daemon.tail())
    await stage.run("nft", "add", "table", "inet", "kproxy")  # of its end nobody is told
    await stage.check_settled("once the table is anybody's", AT_ONCE_SECONDS)
    seen = await stage.last_answer(answers, (0, 200))
    stage.check(seen == (0, 200), "now one is gone, and there is the other", seen)
    stage.check(await stage.last_answer(looked, True), "and stale UDP flows are looked for")


async def syncs_keep_failing(stage):
    """The kernel refuses every sync: tried again at growing intervals, logged once, and told by one Warning event on
    the Node after half a minute; by another when it comes again after a success BEYOND-29 OPS-11"""
    def told():
        events = [json.loads(one.body) for one in stage.requests("create", "events")]
        return [one for one in events if one["type"] == "Warning"]

    async def failures():
        _, text = await stage.get(METRICS, "/metrics")
        name = 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv4"}'
        return next(int(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    stage.most_requests *= TROUBLE_HURRY
    daemon = await stage.launch(through=["env", f"LD_PRELOAD={stage.options.hurry}", f"HURRY={TROUBLE_HURRY}"])
    await stage.check_settled("at first")
    stage.check(not told(), "there is no such event", told())
    waits = []
    for number in (1, 2):
        with netlink.owned_table(stage.namespace, "kproxy"):
            began, since, failed = time.monotonic(), len(daemon.lines), await failures()
            stage.server.put(*service(f"new-{number}", 2, "a1").objects())
            stage.check(await stage.until(lambda: len(told()) == number), f"time {number}: the Node is told",
                        daemon.tail())
            waits.append((time.monotonic() - began) * TROUBLE_HURRY)
            stage.check(waits[-1] >= TROUBLE_SECONDS, "not before half a minute", f"{waits[-1]:.0f} s")
            tries = await failures() - failed
            stage.check(4 <= tries <= 8, "after some attempts, ever fewer", tries)
            event = (told() or [{}])[-1]
            wanted = {"reason": "FailedToSyncProxyRules", "action": "SyncProxyRules",
                      "reportingController": "kube-proxy", "reportingInstance": f"kube-proxy-{NODE}"}
            have = {key: event.get(key) for key in wanted}
            stage.check(have == wanted and event["regarding"]["kind"] == "Node" and event["regarding"]["name"] == NODE,
                        "by an event on it", event)
            stage.check("Operation not permitted" in event.get("note", ""), "which says why", event.get("note"))
            if number == 1:
                stage.check(len(daemon.matching("Cannot sync", since)) == 1, "and the log says it once",
                            daemon.matching("Cannot sync", since))
                await asyncio.sleep(3 * TROUBLE_SECONDS / TROUBLE_HURRY)
                stage.check(await failures() > failed + tries, "it goes on to fail", await failures())
                stage.check(len(told()) == 1, "and is not told again", told())
        await stage.check_settled("once the table is nobody's", 8)
    # Where a busy machine lets it stand for a second, that is many of its own: not so twice.
    stage.check(min(waits) < 3 * TROUBLE_SECONDS, "and not much later", [f"{waited:.0f} s" for waited in waits])
    stage.check(daemon.running, "kproxy runs", daemon.tail())


async def change_while_failing(stage):
    """What changes between a failed sync and the attempt that succeeds is not forgotten, though a least time between
    syncs delays it OPS-11 OPS-20"""
    stage.configure("nftables: {minSyncPeriod: 4s}\n")
    for time_of_playing in range(TIMES_TO_PLAY):
        daemon = await stage.start()
        await daemon.line(FOLLOWING)
        with netlink.owned_table(stage.namespace, "kproxy"):
            await daemon.line("Cannot sync")
            failed = time.monotonic()
            stage.server.put(*service(f"meanwhile-{time_of_playing}", 2 + time_of_playing, "a1").objects())
            await asyncio.sleep(0.3)  # so that kproxy hears of it
        in_time = time.monotonic() - failed < RETRY_SECONDS
        await stage.check_settled("soon", 8)
        if in_time:
            break
        await daemon.stop()  # the machine was too busy: once more
    stage.check(in_time, "the change comes before the next attempt")


async def removal_refused(stage):
    """The kernel refuses to have chains removed that nothing uses any more: counted, and they go later MET-13"""
    async def failures():
        _, text = await stage.get(METRICS, "/metrics")
        name = "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total"
        return [int(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name}{{")]

    daemon = await stage.start()
    await daemon.line(FOLLOWING)
    stage.check(await failures() == [0, 0], "there is no such failure", await failures())
    since = len(daemon.lines)
    # With one endpoint fewer, nothing leads to the chain for two.
    stage.server.put(*service("web", 1, "a1").objects())
    await daemon.line(SYNCED, since)
    # It is time to remove it when kproxy has not yet seen what became of the table.
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        with netlink.owned_table(stage.namespace, "kproxy"):
            await asyncio.sleep(COLLECT_SECONDS)
            daemon.process.send_signal(signal.SIGCONT)
            await daemon.line("Cannot remove chains", since)
            counted = await stage.last_answer(failures, [1, 1])
            stage.check(counted == [1, 1], "the failure is counted", counted)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    await stage.check_settled("once the table is nobody's", 8)
    stage.check(daemon.running, "kproxy runs", daemon.tail())


async def taken_ports(stage):
    """A port that somebody else has: the Node is told, and kproxy does its work; with bindAddressHardFail it ends
    instead, and touches nothing HC-11 HC-50"""
    stage.most_requests = 12  # of three daemons
    taken = (("health", "0.0.0.0", HEALTHZ, "FailedToStartProxierHealthcheck"),
             ("metrics", "127.0.0.1", METRICS, "FailedToStartMetricServer"))

    async def check_told(what, port, reason, since):
        def told():
            events = [json.loads(one.body) for one in stage.requests("create", "events", since)]
            return [event for event in events if event["reason"] == reason]

        stage.check(await stage.until(told), f"{what}: the Node is told", daemon.tail())
        event = (told() or [{}])[0]
        stage.check(len(told()) == 1 and event["type"] == "Warning" and str(port) in event["note"]
                    and (event["regarding"]["kind"], event["regarding"]["name"]) == ("Node", NODE),
                    f"{what}: once, and why", told())

    with contextlib.ExitStack() as squatters:
        for what, address, port, reason in taken:
            squatter = stage.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
            squatters.enter_context(squatter).bind((address, port))
            stage.configure("bindAddressHardFail: true\n")
            began, generation = time.monotonic(), netlink.generation(stage.namespace)
            daemon = await stage.launch()
            stage.check(await stage.until(lambda: not daemon.running), f"{what}: kproxy ends", daemon.tail())
            stage.check(daemon.process.returncode == 1, f"{what}: with exit status 1", daemon.process.returncode)
            await check_told(what, port, reason, began)
            lines = [line.partition("] ")[2] for line in daemon.matching("^E")]
            stage.check(any(line.startswith(f'"Cannot listen for {what}" ') and str(port) in line for line in lines),
                        f"{what}: the log says what cannot be listened for, and nothing of another attempt", lines)
            stage.check(lines and lines[-1].startswith('"Exiting; the rules stay" err="bindAddressHardFail: '),
                        f"{what}: and at last why kproxy ends", lines)
            stage.check(not stage.tables() and netlink.generation(stage.namespace) == generation,
                        f"{what}: nothing is programmed")
            stage.daemons.remove(daemon)  # for it has not crashed
        stage.configure()
        began, daemon = time.monotonic(), await stage.start()
        for what, _, port, reason in taken:
            stage.check(daemon.matching(f'"Cannot listen for {what}; it is tried again".*{port}'),
                        f"{what}, without bindAddressHardFail: the log says so", daemon.tail())
            await check_told(f"{what}, without bindAddressHardFail", port, reason, began)
        stage.check(daemon.running, "without bindAddressHardFail kproxy runs", daemon.tail())


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


SCENARIOS = [no_node, late_server, no_pod_cidrs, failing_service_cidrs, server_absent, starting, too_many_requests,
             errors, rotated_token, client_certificate, impostor, no_service_cidrs, late_node, events_refused,
             owned_table, syncs_keep_failing, change_while_failing, removal_refused, taken_ports, health, late_token,
             no_ipv6]

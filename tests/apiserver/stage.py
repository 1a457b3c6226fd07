"""A node of its own for one scenario: a network namespace with pods that answer, an API server, kproxy."""

import asyncio
import contextlib
import json
import pathlib
import re
import subprocess
import time

import cluster
import netlink
import node
import servers
import topology
from clients import Client
from daemon import Daemon
from program import Failed, finished
from server import ApiServer
from namespaces import ROUTER, Namespaces, setns
from traffic import Traffic

NODE = "node-a"
PODS = ("a1", "a2", "a3")  # all their addresses are of this namespace
POD_PORT, OTHER_PORT = 8080, 8081
PATIENCE_SECONDS = 15.0
PAUSE_SECONDS = 0.01  # between connections
SILENCE_SECONDS = 0.5  # without an answer
COMMAND_SECONDS = 60
# A sound client never asks oftener than this, whatever the server does; scenarios may say otherwise.
MOST_REQUESTS, WINDOW_SECONDS = 6, 5.0  # for each resource

service = node.service


def cidrs(*prefixes, name="kubernetes"):
    return {"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": name},
            "spec": {"cidrs": list(prefixes)}}


def own_node():
    return json.loads(cluster.snapshot([], []))["items"][0]


def to_other_port(objects):
    """The same Services with their slices leading to another port of the pods."""
    for one in objects:
        if one["kind"] == "EndpointSlice":
            for port in one["ports"]:
                port["port"] = OTHER_PORT
    return objects


class Stage:
    """Use as a context. The server is up and knows the nodes, the ServiceCIDRs and the Service "web",
    which stays all the time; kproxy is not running yet."""

    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.namespaces = Namespaces("node")
        self.checks = []  # (whether it holds, what, detail)
        self.daemons = []
        self.web = service("web", 1, "a1,a2")
        self.most_requests = MOST_REQUESTS
        self.server = self.pods = None

    # --- coming and going

    async def __aenter__(self):
        self.namespace = self.namespaces.__enter__()["node"]
        try:
            await self.build()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def build(self):
        self.namespace.sysctl(ROUTER)
        lines = ["link set lo up", "link add name eth0 type veth peer name nowhere"]
        lines += ["link set eth0 up", "link set nowhere up", *topology.on("eth0", NODE, *PODS)]
        lines += ["route add 0.0.0.0/0 dev eth0", "route add ::/0 dev eth0"]
        self.namespace.configure(lines)
        self.pods = servers.Servers("pod", self.namespace, [POD_PORT, OTHER_PORT])
        self.server = await asyncio.to_thread(ApiServer, self.folder / "pki", self.namespace.socket)
        self.server.load([own_node(), cidrs(*node.SERVICE_CIDRS), *self.web.objects()])
        self.server.start()
        self.kubeconfig = self.server.kubeconfig(self.folder / "kubeconfig")
        self.configuration = self.folder / "options.yaml"
        self.configure()

    async def __aexit__(self, *_):
        for daemon in self.daemons:
            await daemon.kill()
        if self.server:
            self.server.kill()
        if self.pods:
            self.pods.close()
        netlink.flush(self.namespace)
        self.namespaces.__exit__()

    def configure(self, more=""):
        access = f"clientConnection: {{kubeconfig: {self.kubeconfig}}}\n"
        self.configuration.write_text(node.CONFIGURATION + access + more)

    # --- what a scenario says

    def check(self, condition, what, detail=""):
        self.checks.append((bool(condition), what, "" if condition else str(detail)))
        return condition

    # --- programs

    async def launch(self, *more, settings=(), through=()):
        """kproxy, just started; through the command of another program."""
        command = [*map(str, [*through, self.options.kproxy, *(settings or ("--config", self.configuration)), "--v=2", *more])]
        daemon = await Daemon.start(self.namespace, command)
        self.daemons.append(daemon)
        return daemon

    async def start(self, *more):
        """kproxy, once the table is what the server says."""
        daemon = await self.launch(*more)
        if not await self.settled():
            raise Failed(f"kproxy does not begin to follow the server: {await self.difference()}; {daemon.tail()}")
        return daemon

    @staticmethod
    def errors(daemon):
        """Errors it has logged, but for what it may not do in a container."""
        return [line for line in daemon.matching("^[EF]") if "oom_score_adj" not in line]

    async def run(self, *command):
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: setns(self.namespace.fd))
        try:
            output, _ = await finished(process, COMMAND_SECONDS)
        except asyncio.TimeoutError:
            raise Failed(f"{' '.join(map(str, command))}: not done after {COMMAND_SECONDS} s") from None
        return process.returncode, output.decode(errors="replace")

    async def difference(self, objects=None):
        """How the kernel differs from what these objects, or the server's, compile to; nothing where it
        does not."""
        snapshot = self.folder / "snapshot.json"
        snapshot.write_bytes(self.server.store.snapshot() if objects is None else objects)
        status, output = await self.run(self.options.kproxy, "verify", "--snapshot", snapshot,
                                        "--config", self.configuration)
        return "" if status == 0 else f"exit status {status}: {output.strip()[:600]}"

    async def listed(self):
        """(what nft lists, what it lists where it has loaded kpcompile's text), as sorted words."""
        snapshot, text = self.folder / "snapshot.json", self.folder / "ruleset.nft"
        snapshot.write_bytes(self.server.store.snapshot())
        status, output = await self.run("/bin/sh", "-c", '"$0" --config "$1" "$2" >"$3"', self.options.kpcompile,
                                        self.configuration, snapshot, text)
        if status:
            raise Failed(f"kpcompile: exit status {status}: {output}")
        listing = "nft list table inet kproxy"
        _, live = await self.run("/bin/sh", "-c", listing)
        _, loaded = await self.run("unshare", "--net", "/bin/sh", "-c", f'nft -f "$0" && {listing}', text)
        return sorted(live.replace(",", " ").split()), sorted(loaded.replace(",", " ").split())

    async def elements(self, name):
        """What is in a set of the table, as nft lists it."""
        _, listing = await self.run("nft", "list", "set", "inet", "kproxy", name)
        return re.findall(r"elements = \{ (.*) \}", listing)

    async def settled(self, patience=PATIENCE_SECONDS, objects=None):
        """Waits until the kernel has what the server says; whether it does."""
        began = time.monotonic()
        while await self.difference(objects):
            waited = time.monotonic() - began
            if waited > patience:
                return False
            await asyncio.sleep(min(0.5, 0.05 + waited / 10))
        return True

    async def check_settled(self, when, patience=PATIENCE_SECONDS):
        """The table is what the server's objects compile to, soon; the seconds it took."""
        began = time.monotonic()
        fine = await self.settled(patience)
        self.check(fine, f"{when}: the table is what the server says within {patience:.0f} s",
                   "" if fine else f"{await self.difference()}; {self.daemons[-1].tail()}")
        return time.monotonic() - began

    # --- watching

    async def until(self, condition, patience=PATIENCE_SECONDS):
        """Waits for it; whether it came."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.02)
        return True

    @staticmethod
    async def last_answer(ask, wanted, patience=PATIENCE_SECONDS):
        """Asks again and again, until the answer is the wanted one or patience ends."""
        end = time.monotonic() + patience
        while (answer := await ask()) != wanted and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return answer

    async def watching(self, count=1, patience=PATIENCE_SECONDS):
        """Waits until so many watches of each resource are open that the server has."""
        wanted = {"services", "endpointslices", "nodes", "servicecidrs"} - self.server.missing
        return await self.until(lambda: all(len(self.server.streams(one)) >= count for one in wanted), patience)

    def requests(self, verb="", resource="", since=0.0):
        return self.server.record.matching(verb, resource, since)

    def tables(self):
        return netlink.has_table(self.namespace, "kproxy")

    def hooked(self):
        return netlink.has_chain(self.namespace, "kproxy", "prerouting")

    def transactions(self):
        return netlink.Transactions(self.namespace)

    @contextlib.asynccontextmanager
    async def unbroken(self, what, *services, allowed=(POD_PORT,)):
        """Connections to these Services ("web" if there are none) all succeed meanwhile."""
        frontends = node.frontends(*(services or (self.web,)))
        traffic = Traffic({"a3": self.namespace}, "a3", frontends, workers=2, pause=PAUSE_SECONDS)
        async with traffic:
            await traffic.more(4)
            yield traffic
            await traffic.more(4)
        problems = traffic.problems({f"pod:{port}" for port in allowed})
        self.check(not problems, f"{what}: no connection fails meanwhile", "; ".join(problems))

    async def answers(self, one, family=4):
        """What becomes of a connection to this Service: "pod:8080", "reset", "silence", ..."""
        source, address = topology.ADDRESSES["a3"][family == 6], one.address("cluster-ip", family)
        with Client(self.namespace, family, source, "tcp", address, 80) as client:
            seen = await client.connect(SILENCE_SECONDS)
        return f"{seen.host}:{seen.port}" if seen.kind == "answer" else seen.kind

    async def get(self, port, path):
        """(status, text) of a plain HTTP server of the node; status 0 where there is none."""
        return await node.get(self.namespace, port, path)

    async def status(self, port, path="/"):
        return (await self.get(port, path))[0]

    def conclude(self):
        """What must hold of every scenario: only what a Service proxy may ask, and no storm."""
        problems = self.server.record.problems(NODE)
        self.check(not problems, "every request is one that a Service proxy makes", "; ".join(problems[:5]))
        for resource in ("services", "endpointslices", "servicecidrs", "nodes", "events"):
            most = self.server.record.most_in(WINDOW_SECONDS, resource)
            if most > self.most_requests:
                self.check(False, f"{resource}: at most {self.most_requests} requests in {WINDOW_SECONDS:.0f} s", most)
        for daemon in self.daemons:
            crashed = not daemon.running and daemon.process.returncode not in (0, -9)
            bad = [line for line in daemon.lines if re.search(r"terminate called|Sanitizer|Assertion", line)]
            if crashed or bad:
                self.check(False, "kproxy does not crash", f"{daemon.process.returncode} {bad[:2]}; {daemon.tail()}")

"""node-a, as tests see it: the snapshot that its kproxy follows, the kernel's table, other programs."""

import asyncio
import collections
import socket
import subprocess
import time

import cluster
import marker
import netlink
import servers
import topology
from daemon import PATIENCE_SECONDS, STARTED, Daemon
from namespaces import setns
from program import Failed, finished

SERVICE_CIDRS = ["10.96.0.0/16", "fd00:96::/64"]
CONFIGURATION = cluster.CONFIGURATION + "clusterCIDR: 10.244.0.0/16,fd00:244::/32\n"
POD_PORTS, OTHER_PORTS = [8080, 8081], [80]
COMMAND_SECONDS = 60
ANSWER_SECONDS = 5

Ended = collections.namedtuple("Ended", "status output errors seconds")


class Skipped(Exception):
    """The test could not be done here, through no fault of kproxy's."""


class Node:
    """Use as a context, for one test: begins without a table and without a daemon, and ends so."""

    def __init__(self, world, options, folder):
        self.world, self.namespace, self.folder, self.options = world, world["node-a"], folder, options
        self.snapshot, self.configuration = folder / "snapshot.json", folder / "options.yaml"
        self.configuration.write_text(CONFIGURATION)
        self.problems, self.notes = [], []
        self.daemons, self.running, self.written = [], [], 0

    async def __aenter__(self):
        netlink.flush(self.namespace)
        self.running = [servers.Servers(host, self.world[host], POD_PORTS if host in topology.PODS else OTHER_PORTS)
                        for host in ("beyond", *topology.PODS)]
        return self

    async def __aexit__(self, *_):
        for daemon in self.daemons:
            await daemon.kill()
        for server in self.running:
            server.close()
        netlink.flush(self.namespace)

    # --- what a test says

    def expect(self, condition, problem):
        """Whether it holds; if not, the problem is among those that the test ends with."""
        if not condition:
            self.problems.append(problem)
        return condition

    def expect_none(self, problems):
        self.problems += problems

    def note(self, text):
        """Something measured, to be shown with the test."""
        self.notes.append(text)

    # --- the snapshot

    def text(self, services):
        self.written += 1
        return cluster.snapshot([*services, marker.marker(self.written)], SERVICE_CIDRS)

    def write(self, services):
        self.replace(self.text(services))

    def replace(self, text):
        """By rename: nobody sees a part."""
        new = self.folder / "snapshot.new"
        new.write_text(text)
        new.rename(self.snapshot)

    async def in_force(self, patience=PATIENCE_SECONDS):
        """Waits until connections meet the last snapshot that was written."""
        tail = self.daemons[-1].tail if self.daemons else lambda: "no daemon"
        await marker.in_force(self.world, self.written, patience, tail)

    # --- programs

    def settings(self):
        return ["--snapshot", str(self.snapshot), "--config", str(self.configuration)]

    async def launch(self, *more):
        """A daemon that has just been started, and may not even have read its arguments."""
        daemon = await Daemon.start(self.namespace, [self.options.kproxy, *self.settings(), "--v=2", *more])
        self.daemons.append(daemon)
        return daemon

    async def start(self, *more):
        """A daemon that has applied the snapshot."""
        daemon = await self.launch(*more)
        await daemon.line(STARTED)
        return daemon

    async def run(self, *command, text=None, patience=COMMAND_SECONDS):
        """A program in the node's namespace, to its end."""
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: setns(self.namespace.fd))
        try:
            output, errors = await finished(process, patience, None if text is None else text.encode())
        except asyncio.TimeoutError:
            raise Failed(f"{' '.join(map(str, command))}: not done after {patience} s") from None
        return Ended(process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"),
                     time.monotonic() - began)

    async def kproxy(self, *arguments, **more):
        return await self.run(self.options.kproxy, *arguments, **more)

    async def verify(self):
        return await self.kproxy("verify", *self.settings())

    async def expect_verified(self, when, patience=0):
        """`patience`: seconds to wait for it."""
        end = time.monotonic() + patience
        while (ended := await self.verify()).status != 0 and time.monotonic() < end:
            await asyncio.sleep(0.2)
        return self.expect(ended.status == 0,
                           f"{when}: kproxy verify exits with {ended.status}: {(ended.output + ended.errors).strip()[:600]}")

    async def nft(self, text):
        """Commands for nft, one transaction."""
        ended = await self.run("nft", "-f", "-", text=text)
        if ended.status != 0:
            raise Failed(f"nft: exit {ended.status}: {ended.errors.strip()}: {text[:200]}")
        return ended

    async def listed(self, *what):
        ended = await self.run("nft", "list", *what)
        if ended.status != 0:
            raise Failed(f"nft list {' '.join(what)}: exit {ended.status}: {ended.errors.strip()}")
        return ended.output


def service(name, number, endpoints, **keys):
    """A Service with a TCP port 80 on both families; cluster.Service tells the keys."""
    return cluster.Service(name, number, {"endpoints": endpoints, "protocols": "tcp",
                                          **{key.replace("_", "-"): value for key, value in keys.items()}})


def frontends(*services, kind="cluster-ip"):
    return [(one.address(kind, family), 80) for one in services for family in (4, 6)]


async def get(namespace, port, path):
    """(status, text) of a plain HTTP server on the loopback interface; status 0 where there is none."""
    loop = asyncio.get_running_loop()
    with namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        try:
            await loop.sock_connect(sock, ("127.0.0.1", port))
            await loop.sock_sendall(sock, f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            answer = b""
            while data := await asyncio.wait_for(loop.sock_recv(sock, 65536), ANSWER_SECONDS):
                answer += data
        except (OSError, asyncio.TimeoutError) as error:
            return 0, repr(error)
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


def bulk(count):
    """So many Services, each with five endpoints in one family, beside those of other tests."""
    return [service(f"bulk-{n}", 1, "a1,a2,b1,b2,b3", families="4",
                    cluster_ip=f"10.{120 + n // 62500}.{n // 250 % 250}.{n % 250},::") for n in range(count)]

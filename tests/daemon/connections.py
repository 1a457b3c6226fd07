"""Connections through a Service: what is large, what comes out of turn, and what is stale."""

import asyncio
import contextlib
import os
import re
import socket
import struct
import time

import topology
from clients import Client
from node import CONFIGURATION, frontends, get, service
from traffic import PATIENCE_SECONDS

METRICS = 10249
ECHO_PORT, ECHO_TARGET = 90, 8090
LARGE, TIMES = 2000, 8  # bytes: more than a packet holds; messages
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
ETH_P_IP = 0x0800
# Of the Service range, and no Service's: another proxy has the first.
OTHERS = {4: "10.96.77.1", 6: "fd00:96::77:1"}
NOBODYS = {4: "10.96.77.2", 6: "fd00:96::77:2"}
ACK = 0x10
POD_PORT = 8080
FAR = 1 << 20  # beyond any window
SILENCE_SECONDS = 0.2


class Echo:
    """Sends back what comes, in one namespace, on TCP and UDP. Use as a context."""

    def __init__(self, namespace, port):
        self.loop, self.stack, self.seen = asyncio.get_running_loop(), contextlib.ExitStack(), {"tcp": 0, "udp": 0}
        self.listeners, self.tasks = [], set()
        for number, family in FAMILIES.items():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                sock = self.stack.enter_context(namespace.socket(family, kind))
                if number == 6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(("", port))
                if kind == socket.SOCK_STREAM:
                    sock.listen()
                self.listeners.append((sock, self.accept if kind == socket.SOCK_STREAM else self.bounce))

    def __enter__(self):
        for sock, function in self.listeners:
            self.loop.add_reader(sock, function, sock)
        return self

    def __exit__(self, *_):
        for sock, _ in self.listeners:
            self.loop.remove_reader(sock)
        for task in self.tasks:
            task.cancel()
        self.stack.close()

    def accept(self, listener):
        connection, _ = listener.accept()
        connection.setblocking(False)
        self.seen["tcp"] += 1
        task = self.loop.create_task(self.serve(connection))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while data := await self.loop.sock_recv(connection, 65536):
                await self.loop.sock_sendall(connection, data)

    def bounce(self, sock):
        data, peer = sock.recvfrom(65536)
        self.seen["udp"] += 1
        sock.sendto(data, peer)


async def echoed(namespace, family, protocol, frontend, message):
    """What comes back."""
    loop = asyncio.get_running_loop()
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with namespace.socket(FAMILIES[family], kind) as sock:
        async def exchange():
            await loop.sock_connect(sock, frontend)
            await loop.sock_sendall(sock, message)
            got = await loop.sock_recv(sock, 65536)
            while protocol == "tcp" and len(got) < len(message) and (more := await loop.sock_recv(sock, 65536)):
                got += more
            return got
        try:
            return await asyncio.wait_for(exchange(), PATIENCE_SECONDS)
        except (OSError, asyncio.TimeoutError) as error:
            return repr(error).encode()


async def large_messages(node):
    """Messages of 2000 bytes come to an endpoint and back, by ClusterIP and by node port (E2E-48)"""
    echo = service("echo", 1, "a1,b1", ports=str(ECHO_PORT), protocols="tcp,udp", node_port="")
    node.write([echo])
    await node.start()
    with Echo(node.world["a1"], ECHO_TARGET) as near, Echo(node.world["b1"], ECHO_TARGET) as far:
        for family in FAMILIES:
            for sender, frontend in (("a3", (echo.address("cluster-ip", family), ECHO_PORT)),
                                     ("client", (topology.ADDRESSES["node-a"][family == 6], echo.node_port(ECHO_PORT)))):
                for protocol in ("tcp", "udp"):
                    messages = [os.urandom(LARGE) for _ in range(TIMES)]
                    answers = await asyncio.gather(*(
                        echoed(node.world[sender], family, protocol, frontend, message) for message in messages))
                    wrong = [answer[:60] for answer, message in zip(answers, messages) if answer != message]
                    node.expect(not wrong, f"{sender} to {frontend}, {protocol}: {len(wrong)} of {TIMES} messages do "
                                           f"not come back: {wrong[:2]}")
        for where, one in (("a1", near), ("b1", far)):
            node.expect(all(one.seen.values()), f"{where} saw {one.seen}")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(source, target, source_port, target_port, sequence, acknowledged):
    """A TCP segment over IPv4, as a raw socket takes it."""
    def packed(check):
        return struct.pack("!HHIIBBHHH", source_port, target_port, sequence & 0xFFFFFFFF, acknowledged, 5 << 4, ACK, 512,
                           check, 0) + b"late"
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 24)
    return packed(checksum(pseudo + packed(0)))


def last_from(sniffer, source_port, target_port):
    """(sequence, acknowledged, length) of the last segment between these ports."""
    found = None
    while True:
        try:
            data = sniffer.recv(65536)
        except BlockingIOError:
            return found
        at = 4 * (data[0] & 15)
        if data[9] != socket.IPPROTO_TCP or struct.unpack_from("!HH", data, at) != (source_port, target_port):
            continue
        sequence, acknowledged = struct.unpack_from("!II", data, at + 4)
        length = struct.unpack_from("!H", data, 2)[0] - at - 4 * (data[at + 12] >> 4)
        found = sequence, acknowledged, length


async def disturbed(node, distance):
    """(what a connection saw before segments came from its endpoint, so far off, and what it saw afterwards)"""
    pod, client_address = topology.ADDRESSES["b1"][0], topology.ADDRESSES["a3"][0]
    address = service("web", 1, "").address("cluster-ip", 4)
    with (node.world["b1"].socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)) as sniffer,
          node.world["b1"].socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw,
          Client(node.world["a3"], 4, None, "tcp", address, 80) as client):
        before = await client.connect(PATIENCE_SECONDS)
        await client.again(PATIENCE_SECONDS)
        sequence, acknowledged, length = last_from(sniffer, client.own_port, POD_PORT)
        for n in range(3):
            raw.sendto(segment(pod, client_address, POD_PORT, client.own_port, acknowledged + distance + n,
                               (sequence + length) & 0xFFFFFFFF), (client_address, 0))
        await asyncio.sleep(SILENCE_SECONDS)
        return before, await client.again(PATIENCE_SECONDS)


async def out_of_window(node):
    """Segments far behind the window do not make the client reset; with tcpBeLiberal, none does (E2E-33, NFT-08)"""
    node.write([service("web", 1, "b1")])
    await node.start()
    before, now = await disturbed(node, -FAR)
    node.expect(before.kind == "answer" and now == before, f"behind the window: {now}, before {before}")
    liberal = node.folder / "liberal.yaml"
    liberal.write_text(CONFIGURATION.replace("tcpCloseWaitTimeout: 0s", "tcpCloseWaitTimeout: 0s, tcpBeLiberal: true"))
    try:
        ended = await node.kproxy("--init-only", "--config", liberal)
        node.expect(ended.status == 0, f"--init-only: exit status {ended.status}: {ended.errors}")
        for distance in (-FAR, FAR):
            before, now = await disturbed(node, distance)
            node.expect(before.kind == "answer" and now == before,
                        f"with tcpBeLiberal, {distance} bytes off: {now}, before {before}")
    finally:
        node.namespace.sysctl({"net/netfilter/nf_conntrack_tcp_be_liberal": "0"})


async def stale_flows_counted(node):
    """UDP flows to an endpoint that is gone are deleted, and counted in their family (MET-17)"""
    async def deleted():
        _, text = await get(node.namespace, METRICS, "/metrics")
        return dict(re.findall(r'^kubeproxy_conntrack_reconciler_deleted_entries_total\{ip_family="(\w+)"\} (\d+)$', text,
                               re.MULTILINE))

    def udp(endpoints):
        return service("udp", 1, endpoints, protocols="udp")

    node.write([udp("a1")])
    await node.start()
    node.expect(await deleted() == {"IPv4": "0", "IPv6": "0"}, f"at first: {await deleted()}")
    with contextlib.ExitStack() as stack:
        clients = []
        for (address, port), source in zip(frontends(udp("")), topology.ADDRESSES["a3"]):
            client = Client(node.world["a3"], 6 if ":" in address else 4, source, "udp", address, port)
            clients.append(stack.enter_context(client))
            seen = await client.connect(PATIENCE_SECONDS)
            node.expect(seen.host == "a1", f"{address}: {seen}")
        node.write([udp("a2")])
        await node.in_force()
        end = time.monotonic() + PATIENCE_SECONDS
        while (now := await deleted()) != {"IPv4": "1", "IPv6": "1"} and time.monotonic() < end:
            await asyncio.sleep(0.05)
        node.expect(now == {"IPv4": "1", "IPv6": "1"}, f"with a flow of each family: {now}")
        for client in clients:
            seen = await client.again(PATIENCE_SECONDS)
            node.expect(seen.host == "a2", f"afterwards: {seen}")


async def another_proxy(node):
    """Where another proxy's table redirects an address of the Service range, ours does not drop (CIP-05)"""
    addresses = dict(zip(FAMILIES, topology.ADDRESSES["a1"]))
    rules = "".join(f"{word} daddr {OTHERS[family]} tcp dport 80 dnat {word} to {pod}; " for word, family, pod in (
        ("ip", 4, f"{addresses[4]}:{POD_PORT}"), ("ip6", 6, f"[{addresses[6]}]:{POD_PORT}")))
    await node.nft("table inet other-proxy {" + "".join(
        f"chain {hook} {{ type nat hook {hook} priority -100; {rules} }};" for hook in ("prerouting", "output")) + "}")
    # Of chains with equal priority the kernel calls the younger one first.
    node.write([service("web", 1, "a2")])
    await node.start()
    for sender in ("a3", "client", "node-a"):
        for family, source in zip(FAMILIES, topology.ADDRESSES[sender]):
            for address, wanted in ((OTHERS[family], "a1"), (NOBODYS[family], "silence")):
                with Client(node.world[topology.host_of(sender)], family, source, "tcp", address, 80) as client:
                    seen = await client.connect(SILENCE_SECONDS if wanted == "silence" else PATIENCE_SECONDS)
                node.expect(wanted in (seen.host, seen.kind), f"{sender} to {address}: {seen}, not {wanted}")


TESTS = [large_messages, out_of_window, stale_flows_counted, another_proxy]

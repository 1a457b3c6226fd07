"""Real first packets through a real kernel, and what becomes of each."""

import collections
import ipaddress
import itertools
import random
import select
import socket
import time

import packets
from topology import PACKET_OUTGOING

SILENCE = 0.2  # seconds without anything to be seen that make a drop
PATIENCE = 2.0  # seconds that an expected packet may take on a busy machine
CLIENTS = 48  # further ones of a sticky flow; and more, until each endpoint was given to somebody
REPEATS = 3  # further connections of each of them, who must stay
SINGLE_REPEATS = 15  # further connections of a flow's only client, who may not go astray
ROUNDS = 60  # of as many connections as there are endpoints, until each was chosen once
IPV6_PKTINFO = 50


class Probe:
    """One connection attempt: who sent what, and where it was seen."""

    __slots__ = ("flow", "client", "port", "arrived", "refused")

    def __init__(self, flow, client, port):
        self.flow, self.client, self.port = flow, client, port
        self.arrived = None  # the Seen of the packet itself: forwarded, or delivered to the node
        self.refused = None  # the Seen of what came back

    def outcome(self, node_addresses):
        """("endpoint", address, port, masqueraded), or another kind of Outcome on its own."""
        flow, seen = self.flow, self.arrived
        if seen is None:
            if self.refused is None:
                return ("drop",)
            refused = self.refused
            asked = flow.protocol == "icmp" or refused.source_port == flow.port
            if refused.source != flow.destination or not asked:
                return (f"{refused.kind} in the name of {refused.source}:{refused.source_port}",)
            return (refused.kind,)
        kept = (seen.source, seen.source_port) == (self.client, self.port)
        if not kept and seen.source not in node_addresses:
            return (f"source changed to {seen.source}:{seen.source_port}",)
        # What is led to an endpoint that has the very address and port it was sent to looks untouched.
        may_stay = any(endpoint[:2] == (flow.destination, flow.port) for endpoint in flow.expected.endpoints)
        if (seen.destination, seen.destination_port) == (flow.destination, flow.port) and not may_stay:
            return ("untouched",) if kept else ("untouched but for its source",)
        return ("endpoint", seen.destination, seen.destination_port, not kept)


class Wire:
    def __init__(self, topology):
        self.topology = topology
        self.probes = {}
        self.numbers = itertools.count(random.getrandbits(30))
        self.ports = itertools.cycle(range(20000, 60000))

    def check(self, flows):
        """Pairs of a flow and what is wrong with it, for each that came out otherwise."""
        seen = {flow: collections.defaultdict(collections.Counter) for flow in flows}
        others = {flow: self.others(flow) for flow in flows}
        clients = {flow: [flow.source, *itertools.islice(others[flow], CLIENTS)] for flow in flows}
        # First a connection of every client, seen to its end: affinity has its say from then on.
        self.round(seen, [(flow, client) for flow in flows for client in clients[flow]])
        self.round(seen, [
            (flow, client) for flow in flows for client in clients[flow]
            for _ in range(REPEATS if len(clients[flow]) > 1 else SINGLE_REPEATS)])
        for _ in range(ROUNDS):
            further = [(flow, client) for flow in flows if lacks_endpoints(flow, seen[flow])
                       for client in self.further(flow, others[flow])]
            if not further:
                break
            self.round(seen, further)
        problems = []
        for flow in flows:
            if problem := self.judge(flow, seen[flow]):
                problems.append((flow, problem))
            elif self.from_host(flow) and not self.refuses(flow):
                problems.append((flow, "a socket of the host is not refused"))
        return problems

    def from_host(self, flow):
        return self.topology.side_of(flow.source, flow.interface) is None

    def others(self, flow):
        """With affinity, more clients of the kind of the flow's, one after the other.

        Flows of clients in one /24 (or the like) share them. Where two such flows lead to one
        Service port, but by policies with different endpoints, their clients must be further apart.
        """
        if not flow.expected.sticky or self.from_host(flow) or len(flow.expected.endpoints) == 1:
            return iter(())
        taken = {flow.source, *(address for address, _, _ in flow.expected.endpoints)}
        source = ipaddress.ip_address(flow.source)
        network = type(source)(int(source) & ~0xFF)
        return (a for a in (str(network + n) for n in range(100, 250)) if a not in taken)

    def further(self, flow, others):
        """Clients of as many further connections as there are endpoints; with affinity, new clients."""
        count = len(flow.expected.endpoints)
        return list(itertools.islice(others, count)) if flow.expected.sticky else [flow.source] * count

    def round(self, seen, connections):
        """Sends a first packet for each (flow, client), and watches until all are accounted for."""
        sent = []
        for count, (flow, client) in enumerate(connections):
            number, port = next(self.numbers) & 0xFFFFFFFF, next(self.ports)
            probe = self.probes[number] = Probe(flow, client, port)
            sent.append(probe)
            packet = packets.first_packet(flow.protocol, client, port, flow.destination, flow.port,
                                          number)
            side = self.topology.side_of(client, flow.interface)
            self.topology.send(side, flow.destination, packet)
            if count % 64 == 63:
                self.receive(0)
        self.await_all(sent)
        for probe in sent:
            outcome = probe.outcome(self.topology.own_addresses)
            seen[probe.flow][probe.client][outcome] += 1
        self.probes.clear()

    def await_all(self, sent):
        start = last = time.monotonic()
        loud = [p for p in sent if p.flow.expected.kind != "drop"]
        arriving = ("endpoints", "untouched")
        while True:
            if self.receive(0.02):
                last = time.monotonic()
            now = time.monotonic()
            # A refusal may overtake the packet itself, which is read from another socket.
            loud = [p for p in loud if p.arrived is None
                    and (p.refused is None or p.flow.expected.kind in arriving)]
            quiet = len(loud) == 0 and (now - last >= SILENCE or not any(
                p.flow.expected.kind == "drop" for p in sent))
            if quiet or now - start > PATIENCE + len(sent) / 1000:
                return

    def receive(self, timeout):
        """Reads all there is; says whether any of it was about a probe."""
        wires, delivered = self.topology.wires.values(), self.topology.delivered
        ready, _, _ = select.select([*wires, *delivered], [], [], timeout)
        found = False
        for source in ready:
            for seen in (self.from_node(source) if source in delivered else self.from_wire(source)):
                probe = self.probes.get(seen.probe)
                if probe is None:
                    continue
                found = True
                if seen.kind == "probe":
                    probe.arrived = probe.arrived or seen
                else:
                    probe.refused = probe.refused or seen
        return found

    def from_wire(self, wire):
        while True:
            try:
                frame, address = wire.recvfrom(2048)
            except BlockingIOError:
                return
            if address[2] != PACKET_OUTGOING and (seen := packets.read(frame[14:])):
                yield seen

    def from_node(self, receiver):
        family, protocol = self.topology.delivered[receiver]
        while True:
            try:
                data, ancillary, _, source = receiver.recvmsg(2048, socket.CMSG_SPACE(20))
            except BlockingIOError:
                return
            if family == socket.AF_INET:
                seen = packets.read(data)
            else:
                destination = next(v[:16] for _, kind, v in ancillary if kind == IPV6_PKTINFO)
                packed = socket.inet_pton(family, source[0].split("%")[0])
                seen = packets.read_segment(protocol, packed, destination, data)
            if seen:
                yield seen

    def judge(self, flow, seen):
        expected = flow.expected
        total = collections.Counter()
        for outcomes in seen.values():
            total.update(outcomes)
        if expected.kind != "endpoints":
            return None if set(total) == {(expected.kind,)} else f"seen {describe(total)}"
        if self.from_host(flow):
            total = without_chance(total)
        wanted = {("endpoint", *endpoint) for endpoint in expected.endpoints}
        if expected.sticky:
            for client, outcomes in seen.items():
                if len({outcome[1:3] for outcome in outcomes}) != 1:
                    return f"{client} does not stay: seen {describe(outcomes)}"
            if len(seen) == 1 and set(total) <= wanted:
                return None  # one client proves no spread
        return None if set(total) == wanted else f"seen {describe(total)}"

    def refuses(self, flow):
        """Whether the host's own TCP sockets are refused at once, where they are to be reset."""
        if flow.expected.kind != "reset":
            return True

        family = socket.AF_INET6 if ":" in flow.source else socket.AF_INET
        with self.topology.node.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            client.bind((flow.source, 0))
            try:
                client.connect((flow.destination, flow.port))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
            return False


def lacks_endpoints(flow, seen):
    if flow.expected.kind != "endpoints":
        return False
    chosen = {outcome[1:3] for outcomes in seen.values() for outcome in outcomes}
    return not {(address, port) for address, port, _ in flow.expected.endpoints} <= chosen


def without_chance(total):
    """Without the host's packets that were masqueraded to the address and port they had anyway."""
    return {outcome: count for outcome, count in total.items()
            if outcome[0] != "endpoint" or outcome[3] or count > total.get((*outcome[:3], True), 0)}


def describe(total):
    parts = []
    for outcome, count in sorted(total.items(), key=str):
        if outcome[0] == "endpoint":
            _, address, port, masqueraded = outcome
            place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            parts.append(f"{place} {'masq' if masqueraded else 'plain'} ({count})")
        else:
            parts.append(f"{outcome[0]} ({count})")
    return ", ".join(parts) if parts else "nothing"

"""First packets of connections, byte by byte, and what can be read off a packet seen later.

Every probe bears a number of its own, in a place that no address translation touches, so that it is
known again wherever and however it turns up: the sequence number of a TCP SYN, the initiate tag of
an SCTP INIT, the payload of a UDP datagram or of an echo request.
"""

import dataclasses
import ipaddress
import struct

from crc32c import crc32c

NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
NAMES = {number: name for name, number in NUMBERS.items()}
ICMP, ICMPV6 = 1, 58
ECHO_REQUEST = {4: 8, 6: 128}
PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
MAGIC = b"kproxy?!"


@dataclasses.dataclass(frozen=True)
class Seen:
    kind: str  # "probe", "reset", "unreachable"
    probe: int
    source: str
    source_port: int
    destination: str
    destination_port: int


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def first_packet(protocol, source, source_port, destination, port, probe):
    """A whole IP packet. An echo request has `source_port` as its identifier."""
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    version = source.version
    number = NUMBERS.get(protocol, ICMP if version == 4 else ICMPV6)
    mark = MAGIC + struct.pack("!I", probe)
    if protocol == "tcp":
        segment = struct.pack("!HHIIBBHHH", source_port, port, probe, 0, 5 << 4, 0x02, 64240, 0, 0)
        position = 16
    elif protocol == "udp":
        segment = struct.pack("!HHHH", source_port, port, 8 + len(mark), 0) + mark
        position = 6
    elif protocol == "icmp":
        segment = struct.pack("!BBHHH", ECHO_REQUEST[version], 0, 0, source_port, 1) + mark
        position = 2
    else:
        init = struct.pack("!BBHIIHHI", 1, 0, 20, probe, 65536, 1, 1, 1)
        segment = struct.pack("!HHII", source_port, port, 0, 0) + init
        segment = segment[:8] + struct.pack("<I", crc32c(segment)) + segment[12:]
        position = None
    if position is not None:
        pseudo = b""
        if version == 6 or protocol != "icmp":
            pseudo = source.packed + destination.packed + struct.pack("!II", len(segment), number)
        total = checksum(pseudo + segment)
        if protocol == "udp" and total == 0:
            total = 0xFFFF
        segment = segment[:position] + struct.pack("!H", total) + segment[position + 2:]
    return ip_header(source, destination, number, len(segment), probe) + segment


def ip_header(source, destination, number, size, probe):
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, size, number, 64) + source.packed + destination.packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, probe & 0xFFFF, 0, 64, number, 0)
    total = checksum(header + source.packed + destination.packed)
    return header[:10] + struct.pack("!H", total) + source.packed + destination.packed


def read(packet):
    """What an IP packet says about a probe; nothing if it says nothing."""
    try:
        version = packet[0] >> 4
        if version == 4:
            number, addresses, start = packet[9], packet[12:20], (packet[0] & 15) * 4
        elif version == 6:
            number, addresses, start = packet[6], packet[8:40], 40
        else:
            return None
        half = len(addresses) // 2
        return read_segment(number, addresses[:half], addresses[half:], packet[start:])
    except (IndexError, struct.error):
        return None  # too short to be of ours


def read_segment(number, source, destination, segment):
    """The same of a transport segment that came without its IP header. Addresses are packed."""
    try:
        if number in (ICMP, ICMPV6) and segment[0] != ECHO_REQUEST[4 if number == ICMP else 6]:
            return read_refusal(4 if number == ICMP else 6, segment)
        found = read_echo(segment) if number in (ICMP, ICMPV6) else read_transport(number, segment)
    except (IndexError, struct.error):
        return None
    if found is None:
        return None
    kind, probe, source_port, destination_port = found
    return Seen(kind, probe, str(ipaddress.ip_address(source)), source_port,
                str(ipaddress.ip_address(destination)), destination_port)


def read_transport(number, segment):
    if number not in NAMES:
        return None
    ports = struct.unpack_from("!HH", segment)
    if NAMES[number] == "tcp":
        sequence, acknowledged = struct.unpack_from("!II", segment, 4)
        flags = segment[13] if len(segment) > 13 else 0x02  # quoted by an ICMP error
        if flags & 0x04:
            return "reset", (acknowledged - 1) & 0xFFFFFFFF, *ports
        return ("probe", sequence, *ports) if flags & 0x12 == 0x02 else None
    if NAMES[number] == "udp":
        return marked(segment[8:], *ports)
    if segment[12] != 1:
        return None
    return "probe", struct.unpack_from("!I", segment, 16)[0], *ports


def read_echo(segment):
    return marked(segment[8:], struct.unpack_from("!H", segment, 4)[0], 0)


def read_refusal(version, segment):
    """An ICMP error, as if the place that the quoted packet went to had sent it."""
    if (segment[0], segment[1]) != PORT_UNREACHABLE[version]:
        return None
    quoted = read(segment[8:])
    if quoted is None or quoted.kind != "probe":
        return None
    return Seen("unreachable", quoted.probe, quoted.destination, quoted.destination_port,
                quoted.source, quoted.source_port)


def marked(payload, source_port, destination_port):
    if payload[:len(MAGIC)] != MAGIC:
        return None
    probe = struct.unpack_from("!I", payload, len(MAGIC))[0]
    return "probe", probe, source_port, destination_port

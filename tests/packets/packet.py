"""SCTP and ICMP echo packets, and what the kernel tells about ICMP errors.

SCTP needs no support by the kernel here: the four packets that an association begins with are written
and read on raw sockets. Who answers says its text in the INIT ACK's state cookie, and once more in data
that comes with the COOKIE ACK. Both sides' verification tags are the one that the client has chosen.
"""

import socket
import struct
import typing

from crc32c import crc32c

SCTP = socket.IPPROTO_SCTP
DATA, INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK = 0, 1, 2, 10, 11  # chunks
STATE_COOKIE = 7  # a parameter of INIT ACK
WHOLE_MESSAGE = 3  # a flag of DATA
IP_RECVERR, IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h


class Sctp(typing.NamedTuple):
    """A packet: INIT, INIT ACK, COOKIE ECHO, or COOKIE ACK and DATA."""

    source_port: int
    port: int
    kind: int  # of the first chunk
    tag: int
    text: bytes = b""

    def packed(self):
        body = struct.pack("!IIHHI", self.tag, 65536, 1, 1, self.tag)
        chunks = {
            INIT: lambda: chunk(INIT, 0, body),
            INIT_ACK: lambda: chunk(INIT_ACK, 0, body + struct.pack("!HH", STATE_COOKIE, 4 + len(self.text)) + self.text),
            COOKIE_ECHO: lambda: chunk(COOKIE_ECHO, 0, self.text),
            COOKIE_ACK: lambda: chunk(COOKIE_ACK, 0, b"") + chunk(
                DATA, WHOLE_MESSAGE, struct.pack("!IHHI", self.tag, 0, 0, 0) + self.text),
        }[self.kind]()
        ports = struct.pack("!HHI", self.source_port, self.port, 0 if self.kind == INIT else self.tag)
        # The checksum goes in least significant byte first.
        return ports + struct.pack("<I", crc32c(ports + b"\0\0\0\0" + chunks)) + chunks


def chunk(kind, flags, body):
    return struct.pack("!BBH", kind, flags, 4 + len(body)) + body + b"\0" * (-len(body) % 4)


def read_sctp(data):
    """The Sctp that a packet is, or nothing."""
    if len(data) < 16:
        return None
    source_port, port, tag, _, kind, _, length = struct.unpack("!HHIIBBH", data[:16])
    if kind == INIT and len(data) >= 32:
        tag, = struct.unpack("!I", data[16:20])
    text_begins = {INIT_ACK: 36, COOKIE_ECHO: 16, COOKIE_ACK: 32}.get(kind, len(data))
    if kind == COOKIE_ACK and len(data) >= 32:  # followed by DATA
        length = 4 + struct.unpack("!H", data[18:20])[0]
    return Sctp(source_port, port, kind, tag, data[text_begins:12 + length])


def payload(sock, data):
    """What was received, without the header that raw IPv4 sockets have before it."""
    raw = sock.type == socket.SOCK_RAW and sock.family == socket.AF_INET
    return data[(data[0] & 15) * 4:] if raw else data


def echo_request(family, identifier):
    header = struct.pack("!BBHHH", 8 if family == socket.AF_INET else 128, 0, 0, identifier, 1)
    total = sum(struct.unpack("!4H", header))
    checksum = ~(total + (total >> 16)) & 0xFFFF  # for ICMPv6 the kernel writes its own
    return header[:2] + struct.pack("!H", checksum) + header[4:]


def report_errors(sock):
    """Has the kernel queue ICMP errors for this socket, where icmp_error() finds them."""
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)


def icmp_error(sock):
    """The next ICMP error in the socket's queue: ("unreachable" or "icmp TYPE/CODE", the start of
    the packet that it is about); nothing if there is none, as after a TCP reset."""
    while True:
        try:
            data, control, _, _ = sock.recvmsg(256, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return None
        for level, kind, content in control:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                _, origin, icmp_type, code = struct.unpack_from("=IBBB", content)
                if (origin, icmp_type, code) in ((2, 3, 3), (3, 1, 4)):
                    return "unreachable", data
                if origin in (2, 3):
                    return f"icmp {icmp_type}/{code}", data

"""SCTP INIT and ICMP echo packets, and what the kernel tells about ICMP errors.

SCTP needs no support by the kernel here: INIT and INIT ACK are written and read on raw sockets, and
the answer's text travels in the INIT ACK's state cookie.
"""

import socket
import struct
import typing

from crc32c import crc32c

SCTP = socket.IPPROTO_SCTP
INIT, INIT_ACK, STATE_COOKIE = 1, 2, 7
IP_RECVERR, IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h


def sctp(source_port, port, verification_tag, chunk_type, tag, text=b""):
    """A packet with an INIT or INIT ACK chunk. The checksum goes in least significant byte first."""
    parameter = struct.pack("!HH", STATE_COOKIE, 4 + len(text)) + text if text else b""
    chunk = struct.pack("!BBHIIHHI", chunk_type, 0, 20 + len(parameter), tag, 65536, 1, 1, tag) + parameter
    chunk += b"\0" * (-len(chunk) % 4)
    ports = struct.pack("!HHI", source_port, port, verification_tag)
    return ports + struct.pack("<I", crc32c(ports + b"\0\0\0\0" + chunk)) + chunk


class Sctp(typing.NamedTuple):
    source_port: int
    port: int
    verification_tag: int
    kind: int  # of the first chunk
    tag: int
    text: str


def read_sctp(data):
    """The Sctp that a packet is, or nothing."""
    if len(data) < 32:
        return None
    source_port, port, verification_tag, _, kind, _, length, tag = struct.unpack("!HHIIBBHI", data[:20])
    text = data[36:12 + length].decode() if kind == INIT_ACK else ""
    return Sctp(source_port, port, verification_tag, kind, tag, text)


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

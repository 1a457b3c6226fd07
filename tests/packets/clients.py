"""One try: a client in some namespace sends to an address, and what comes of it."""

import asyncio
import errno
import itertools
import random
import socket
import struct
import typing

import packet

SO_RCVBUFFORCE = 33  # asm-generic/socket.h
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}

# Source ports of what has no connections by itself: UDP, and raw protocols. Each is used once in a
# long while, as conntrack takes a second packet between the same ports for one of the same flow.
OWN_PORTS = itertools.cycle(range(1024, 65536))


class Seen(typing.NamedTuple):
    """What a try ended in. `kind` is "answer", "reset", "unreachable", "silence" or what else the
    kernel said. The rest is there for an answer."""

    kind: str
    host: str = ""  # who answered, on which port, and
    port: int = 0
    source: str = ""  # whom it saw
    source_port_kept: bool = False
    source_asked: str = ""  # the address the client has

    def __str__(self):
        return f"{self.host}:{self.port} saw {self.source}" if self.kind == "answer" else self.kind


def answer(line, own_port):
    host, port, source, source_port = line.split()
    return Seen("answer", host, int(port), source, int(source_port) == own_port)


class Client:
    """A client's socket. Use as a context; connect() once, then again() any number of times."""

    def __init__(self, namespace, family, source, protocol, address, port):
        self.protocol, self.target = protocol, (address, port)
        self.loop = asyncio.get_running_loop()
        kind, number = {
            "tcp": (socket.SOCK_STREAM, 0),
            "udp": (socket.SOCK_DGRAM, 0),
            "sctp": (socket.SOCK_RAW, packet.SCTP),
            "icmp": (socket.SOCK_RAW, socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6),
        }[protocol]
        self.sock = namespace.socket(FAMILY[family], kind, number)
        self.raw = kind == socket.SOCK_RAW
        self.own_port = next(OWN_PORTS)
        self.tag, self.cookie = random.randrange(1, 1 << 32), None  # of SCTP
        packet.report_errors(self.sock)
        if self.raw:  # gets what others are answered, too, and is not read while it is held
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        if protocol == "udp":
            self.bind_own_port(source)
        elif source:
            self.sock.bind((source, 0))

    def bind_own_port(self, source):
        for _ in range(100):
            try:
                self.sock.bind((source, self.own_port))
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE:  # a server's
                    raise
                self.own_port = next(OWN_PORTS)
        raise OSError(errno.EADDRINUSE, "no source port is free")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    async def connect(self, patience):
        return await self.attempt(self.first, patience)

    async def again(self, patience):
        """Sends over the connection (or from the port) that is there. For SCTP only this makes it
        one that conntrack has as established."""
        return await self.attempt(self.exchange, patience)

    async def attempt(self, function, patience):
        try:
            return await asyncio.wait_for(function(), patience)
        except asyncio.TimeoutError:
            return Seen("silence")
        except OSError as error:
            return self.explain(error)

    def explain(self, error):
        """The error of a TCP or UDP socket, which are told of no errors but their own."""
        icmp = packet.icmp_error(self.sock)
        if icmp:
            return Seen(icmp[0])
        refused = isinstance(error, (ConnectionRefusedError, ConnectionResetError))
        return Seen("reset" if refused else str(error))

    async def first(self):
        if self.protocol == "tcp":
            await self.loop.sock_connect(self.sock, self.target)
        else:
            self.sock.connect((self.target[0], 0 if self.raw else self.target[1]))  # no packet yet
        if self.protocol == "tcp":
            self.own_port = self.sock.getsockname()[1]
        return await (self.read_line() if self.protocol == "tcp" else self.exchange())

    async def exchange(self):
        if self.protocol == "sctp":
            return await self.exchange_sctp()
        if self.protocol == "icmp":
            return await self.exchange_echo()
        await self.send(b"?\n")
        return await self.read_line()

    async def send(self, data):
        try:
            await self.loop.sock_sendall(self.sock, data)
        except PermissionError:
            pass  # dropped or rejected on this very host: the ICMP error, if any, tells which

    async def read_line(self):
        data = await self.loop.sock_recv(self.sock, 256)
        if not data:
            return Seen("closed")
        return answer(data.decode(), self.own_port)

    async def receive(self, is_own):
        """The next thing that a raw socket gets, which sees all of its protocol: packets, and ICMP
        errors for which `is_own(start of the packet that was sent)` holds."""
        while True:
            try:
                return packet.payload(self.sock, await self.loop.sock_recv(self.sock, 2048))
            except OSError as error:
                icmp = packet.icmp_error(self.sock)
                if icmp and is_own(icmp[1]):
                    return Seen(icmp[0])
                if icmp is None and not isinstance(error, ConnectionRefusedError):
                    raise

    async def exchange_sctp(self):
        """At first an INIT; from then on the cookie that came of it, which may be sent any number of times."""
        asked, wanted = (packet.INIT, packet.INIT_ACK) if self.cookie is None else (packet.COOKIE_ECHO, packet.COOKIE_ACK)
        await self.send(packet.Sctp(self.own_port, self.target[1], asked, self.tag, self.cookie or b"").packed())
        while True:
            got = await self.receive(lambda sent: sent[:2] == struct.pack("!H", self.own_port))
            if isinstance(got, Seen):
                return got
            ack = packet.read_sctp(got)
            if ack and ack.kind == wanted and ack.tag == self.tag:
                self.cookie = self.cookie or ack.text
                return answer(ack.text.decode(), self.own_port)

    async def exchange_echo(self):
        await self.send(packet.echo_request(self.sock.family, self.own_port))
        mark = struct.pack("!H", self.own_port)
        while True:
            got = await self.receive(lambda sent: sent[4:6] == mark)
            if isinstance(got, Seen):
                return got
            if got[0] in (0, 129) and got[4:6] == mark:
                return Seen("echo")

"""HTTP/1.1 over TLS, byte by byte: a connection, its requests, and answers that can be disturbed."""

import contextlib
import dataclasses
import select
import socket
import ssl
import threading
import time
import urllib.parse
import uuid
import zlib
from email.utils import formatdate

BUFFER = 2048  # bytes that the server gathers before it sends a chunk, or sees that there is no more
GZIP_FROM = 128 * 1024
LONGEST_HEAD = 64 * 1024
SEND_AT_ONCE = 256 * 1024
PLAIN_HTTP = (b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
REASONS = {
    200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 409: "Conflict", 410: "Gone",
    422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}


class Cut(Exception):
    """The connection is over."""


@dataclasses.dataclass
class Request:
    time: float  # time.monotonic()
    connection: int
    method: str
    path: str
    query: dict
    headers: dict  # names in lower case
    body: bytes
    verb: str = ""  # list, watch, get, create, ..
    group: str = ""
    resource: str = ""  # plural
    namespace: str = ""
    name: str = ""
    user: str = ""
    status: int = 0  # as answered; 0: not (yet)

    def __str__(self):
        query = urllib.parse.urlencode(self.query)
        return f"{self.method} {self.path}{'?' if query else ''}{query}"


class Connection:
    """A client's. Writes may be cut, frozen or slowed from any thread while an answer is under way."""

    def __init__(self, number, sock):
        self.number, self.sock = number, sock
        self.peer = sock.getpeername()[1]  # the client's port
        self.buffered = b""
        self.open = True
        self.heal()

    def heal(self):
        """A new answer begins, with nothing wrong."""
        self.sent, self.cut_at, self.freeze_at, self.trickle = 0, None, None, 0.0

    # --- reading

    def read_request(self):
        """The next one, or None where the client is done."""
        while b"\r\n\r\n" not in self.buffered:
            if len(self.buffered) > LONGEST_HEAD or not self.receive():
                return None
        head, self.buffered = self.buffered.split(b"\r\n\r\n", 1)
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, protocol = line.split(" ")
        if protocol != "HTTP/1.1":
            raise Cut(f"protocol {protocol}")
        headers = {}
        for field in fields:
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        while len(self.buffered) < length:
            if not self.receive():
                raise Cut("the body ended early")
        body, self.buffered = self.buffered[:length], self.buffered[length:]
        path, _, query = target.partition("?")
        return Request(time.monotonic(), self.number, method, urllib.parse.unquote(path),
                       dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), headers, body)

    def receive(self):
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        self.buffered += data
        return len(data)

    def left(self):
        """Whether the client has closed, or said something in the middle of an answer."""
        if not self.open:
            return True
        try:
            if not select.select([self.sock], [], [], 0)[0]:
                return False
            self.sock.setblocking(False)
            try:
                data = self.sock.recv(65536)
            finally:
                self.sock.setblocking(True)
        except ssl.SSLWantReadError:
            return False
        except (OSError, ValueError):
            return True
        self.buffered += data
        return not data

    # --- writing

    def send(self, data):
        if not self.open:
            raise Cut("closed")
        if self.trickle:
            for at in range(len(data)):
                self.send_some(data[at:at + 1])
                time.sleep(self.trickle)
            return
        self.send_some(data)

    def send_some(self, data):
        for at, then in ((self.cut_at, self.close), (self.freeze_at, self.freeze)):
            if at is not None and self.sent + len(data) >= at:
                self.send_all(data[:max(0, at - self.sent)])
                then()
                raise Cut("cut" if then == self.close else "frozen")
        self.send_all(data)

    def send_all(self, data):
        self.sent += len(data)
        try:
            self.sock.sendall(data)
        except OSError as error:
            self.close()
            raise Cut(str(error)) from None

    def freeze(self):
        """Stays silent until one of the two sides closes."""
        while not self.left():
            time.sleep(0.05)

    def close(self):
        """Without a word: neither the end of the answer nor that of TLS is announced."""
        self.open = False
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # of TCP, not of TLS

    def release(self):
        self.close()
        self.sock.close()


class Answer:
    """An answer under way. What is written is gathered; if all of it is small it goes out with a
    Content-Length, else in chunks whose borders mean nothing."""

    def __init__(self, connection, status, headers, close=False):
        self.connection, self.status = connection, status
        self.headers = {"Audit-Id": str(uuid.uuid4()), "Cache-Control": "no-cache, private", **headers}
        self.closes = close
        self.gathered, self.outgoing = bytearray(), bytearray()
        self.chunked = False

    def head(self, framing):
        lines = [f"HTTP/1.1 {self.status} {REASONS[self.status]}"]
        lines += [f"{name}: {value}" for name, value in sorted(self.headers.items())]
        lines += [f"Date: {formatdate(usegmt=True)}", *framing]
        if self.closes:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def write(self, data):
        """As a buffered writer of the language of the server does: what does not fit any more is filled
        up to the buffer's size and sent, and what is larger than the buffer goes as it is."""
        data = memoryview(data)
        while len(data) > BUFFER - len(self.gathered):
            take = BUFFER - len(self.gathered) if self.gathered else len(data)
            self.gathered += data[:take]
            data = data[take:]
            self.send_chunk()
        self.gathered += data

    def send_chunk(self):
        if not self.chunked:
            self.chunked = True
            self.outgoing += self.head(["Transfer-Encoding: chunked"])
        if self.gathered:
            self.outgoing += b"%x\r\n" % len(self.gathered)
            self.outgoing += self.gathered
            self.outgoing += b"\r\n"
            self.gathered = bytearray()
        if len(self.outgoing) >= SEND_AT_ONCE:
            self.push()

    def push(self):
        data, self.outgoing = bytes(self.outgoing), bytearray()
        if data:
            self.connection.send(data)

    def flush(self):
        self.send_chunk()
        self.push()

    def finish(self):
        if not self.chunked:
            self.outgoing += self.head([f"Content-Length: {len(self.gathered)}"]) + self.gathered
        else:
            if self.gathered:
                self.send_chunk()
            self.outgoing += b"0\r\n\r\n"
        self.push()


def compressed(pieces):
    """gzip, piece by piece."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


class Listener:
    """Accepts connections on one port, each with a thread of its own that runs `serve(connection)`."""

    def __init__(self, context, open_socket, port, serve):
        self.context, self.serve = context, serve
        self.lock, self.connections, self.count = threading.Lock(), set(), 0
        self.sock = open_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setblocking(True)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", port))
        self.sock.listen(64)
        self.port = self.sock.getsockname()[1]
        self.closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            if self.closing:
                sock.close()
                return
            self.count += 1
            threading.Thread(target=self.talk, args=(self.count, sock), daemon=True).start()

    def talk(self, number, raw):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(number, raw)
        with self.lock:
            self.connections.add(connection)
        try:
            if self.begin(connection, raw):
                self.serve(connection)
        except (Cut, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.release()

    def begin(self, connection, raw):
        first = raw.recv(1, socket.MSG_PEEK)
        if first != b"\x16":  # not a TLS handshake
            if first:
                raw.sendall(PLAIN_HTTP)
            return False
        connection.sock = self.context.wrap_socket(raw, server_side=True)
        return True

    def refuse(self):
        """No new connections; those there are live on."""
        self.closing = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join()

    def close_all(self):
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            connection.close()

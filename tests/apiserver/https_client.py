"""A client of the API server double that hides nothing: one connection, its answers as they come."""

import json
import socket
import ssl

from server import PROXY_TOKEN

PATIENCE_SECONDS = 10


class Client:
    """One connection."""

    def __init__(self, server, token=PROXY_TOKEN, certificate=None):
        context = ssl.create_default_context(cafile=server.authority.certificate)
        context.set_alpn_protocols(["http/1.1"])
        if certificate:
            context.load_cert_chain(*certificate)
        raw = socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS)
        self.sock = context.wrap_socket(raw, server_hostname="localhost")
        self.file = self.sock.makefile("rb")
        self.headers = {"Host": "x", "Accept": "application/json", "User-Agent": "kproxy/test"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def send(self, method, target, headers=None, body=b""):
        fields = {**self.headers, **(headers or {})}
        if body:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def head(self):
        """(status, reason, [(name, value)])"""
        line = self.file.readline().decode().rstrip("\r\n")
        if not line:
            raise EOFError("no answer")
        headers = []
        while field := self.file.readline().decode().rstrip("\r\n"):
            name, _, value = field.partition(": ")
            headers.append((name.rstrip(":"), value))
        return int(line.split(" ")[1]), line, headers

    def chunk(self):
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        assert len(data) == size and self.file.read(2) == b"\r\n", "the chunk ended early"
        return data

    def body(self, headers):
        headers = dict(headers)
        if "Content-Length" in headers:
            return self.file.read(int(headers["Content-Length"]))
        return b"".join(iter(self.chunk, b""))

    def ask(self, method, target, **more):
        """(status, headers as a dictionary, body)"""
        self.send(method, target, **more)
        status, _, headers = self.head()
        return status, dict(headers), self.body(headers)

    def watch(self, target):
        self.send("GET", target)
        status, _, _ = self.head()
        assert status == 200, status

    def events(self, pending=b""):
        """The events of a watch, until it ends cleanly."""
        while data := self.chunk():
            pending += data
            *lines, pending = pending.split(b"\n")
            yield from map(json.loads, lines)
        assert not pending, "the stream ended within a line"

"""A network namespace from which the API server can be reached, and nothing else.

A proxy for HTTPS (CONNECT) listens in it, in a thread of this process; the connections it makes start
from the namespace that the process was begun in. kproxy takes that way as HTTPS_PROXY says so.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
PORT = 3128
libc = ctypes.CDLL(None, use_errno=True)


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def pass_on(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Island:
    """Use as a context. `server` is the only (host, port) that is connected to."""

    def __init__(self, server):
        self.server, self.name = server, f"kproxy-e2e-{os.getpid()}"
        self.environment = {**os.environ, "HTTPS_PROXY": f"http://127.0.0.1:{PORT}"}
        for name in ("https_proxy", "NO_PROXY", "no_proxy"):
            self.environment.pop(name, None)

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
            self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
            self.listener = self.listen()
            threading.Thread(target=self.accept, daemon=True).start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "delete", self.name], check=False)

    def listen(self):
        """A socket belongs to the namespace it was made in, whoever uses it later."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        setns(self.fd)
        try:
            listener = socket.socket()
        finally:
            setns(home)
            os.close(home)
        listener.bind(("127.0.0.1", PORT))
        listener.listen(16)
        return listener

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.connect, args=(connection,), daemon=True).start()

    def connect(self, near):
        head = b""
        with near:
            while not head.endswith(b"\r\n\r\n"):
                data = near.recv(1)
                if not data or len(head) > 8192:
                    return
                head += data
            method, target, _ = head.decode("latin-1").split(" ", 2)
            host, port = self.server
            if method != "CONNECT" or target != f"{f'[{host}]' if ':' in host else host}:{port}":
                near.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            try:
                far = socket.create_connection(self.server, 10)
            except OSError:
                near.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            with far:
                far.settimeout(None)
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pass_on, args=(far, near), daemon=True)
                back.start()
                pass_on(near, far)
                back.join()

    def run(self, *command, text=None):
        """A program in the namespace, to its end: (exit status, output)."""
        done = subprocess.run(["ip", "netns", "exec", self.name, *map(str, command)], input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment, check=False)
        return done.returncode, done.stdout

    def start(self, *command, log):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, env=self.environment)

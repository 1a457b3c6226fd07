"""Answers in the pods: backends.py PREFIX POD...

Each pod's namespace is PREFIX and its name. In each, TCP and UDP servers listen on the ports that the
sample Services lead to, and answer every request with the pod's name and the client's address as
the pod sees it. Says "ready" once all listen; ends with SIGTERM.
"""

import selectors
import socket
import sys

import namespaces

PORTS = ((socket.SOCK_STREAM, 8080), (socket.SOCK_STREAM, 8443), (socket.SOCK_STREAM, 5353),
         (socket.SOCK_DGRAM, 5353))


def answer(listener, pod):
    if listener.type == socket.SOCK_STREAM:
        connection, (client, _) = listener.accept()
        with connection:
            connection.sendall(f"{pod} {client}".encode())
    else:
        _, (client, port) = listener.recvfrom(512)
        listener.sendto(f"{pod} {client}".encode(), (client, port))


def main(prefix, *pods):
    listeners = selectors.DefaultSelector()
    for pod in pods:
        namespaces.enter(prefix + pod)
        for kind, port in PORTS:
            listener = socket.socket(socket.AF_INET, kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", port))
            if kind == socket.SOCK_STREAM:
                listener.listen(64)
            listeners.register(listener, selectors.EVENT_READ, pod)
    print("ready", flush=True)
    while True:
        for key, _ in listeners.select():
            try:
                answer(key.fileobj, key.data)
            except OSError:
                pass  # the client has gone again


main(*sys.argv[1:])

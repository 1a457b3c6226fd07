"""What answers in the namespaces: TCP, UDP and SCTP on many ports, each with one line that says who
it is and whom it saw: "a1 8080 10.244.1.1 40123" (name, its port, the peer's address and port)."""

import asyncio
import socket
import struct

import packet

IP_PKTINFO = 8  # linux/in.h
SCTP_ANSWER = {packet.INIT: packet.INIT_ACK, packet.COOKIE_ECHO: packet.COOKIE_ACK}


class Servers:
    """Listens in one namespace until closed. Runs in the event loop's thread."""

    def __init__(self, host, namespace, ports):
        self.host = host
        self.loop = asyncio.get_running_loop()
        self.sockets = []
        self.tasks = set()
        for family in (socket.AF_INET, socket.AF_INET6):
            for port in ports:
                self.listen(self.bound(namespace, family, socket.SOCK_STREAM, port), port)
                self.receive(self.bound(namespace, family, socket.SOCK_DGRAM, port), self.answer_udp, port)
            raw = namespace.socket(family, socket.SOCK_RAW, packet.SCTP)
            self.receive(raw, self.answer_sctp, set(ports))

    def bound(self, namespace, family, kind, port):
        sock = namespace.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        return sock

    def watch(self, sock, function, *arguments):
        self.sockets.append(sock)
        self.loop.add_reader(sock, function, *arguments)

    def line(self, port, peer):
        return f"{self.host} {port} {peer[0]} {peer[1]}\n".encode()

    def listen(self, sock, port):
        sock.listen(1024)
        self.watch(sock, self.accept, sock, port)

    def accept(self, listener, port):
        try:
            connection, peer = listener.accept()
        except OSError:
            return  # the client has gone again
        connection.setblocking(False)
        task = self.loop.create_task(self.serve(connection, self.line(port, peer)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, connection, line):
        """Says the line once, and once more for whatever the client says."""
        with connection:
            try:
                await self.loop.sock_sendall(connection, line)
                while await self.loop.sock_recv(connection, 256):
                    await self.loop.sock_sendall(connection, line)
            except OSError:
                pass  # reset by the client

    def receive(self, sock, answer, *arguments):
        """Calls answer(data, peer, ...) for each datagram and sends what that returns, from the
        address that the datagram was sent to."""
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self.watch(sock, self.answer, sock, answer, *arguments)

    def answer(self, sock, answer, *arguments):
        try:
            data, control, _, peer = sock.recvmsg(2048, 256)
            level, kind, info = control[0]
            if level == socket.IPPROTO_IP:  # in_pktinfo: interface, local address, destination
                info = struct.pack("=I4s4s", 0, info[8:12], info[8:12])
            else:  # in6_pktinfo: destination, interface
                info = info[:16] + struct.pack("=I", 0)
            reply = answer(packet.payload(sock, data), peer, *arguments)
            if reply is not None:
                sock.sendmsg([reply], [(level, kind, info)], 0, peer)
        except OSError:
            pass  # an ICMP error for an earlier answer: its client has gone

    def answer_udp(self, _, peer, port):
        return self.line(port, peer)

    def answer_sctp(self, data, peer, ports):
        asked = packet.read_sctp(data)
        if asked is None or asked.port not in ports or asked.kind not in SCTP_ANSWER:
            return None
        text = self.line(asked.port, (peer[0], asked.source_port))
        return packet.Sctp(asked.port, asked.source_port, SCTP_ANSWER[asked.kind], asked.tag, text).packed()

    def close(self):
        for sock in self.sockets:
            self.loop.remove_reader(sock)
            sock.close()
        for task in self.tasks:
            task.cancel()

"""New TCP connections without end, and what became of each."""

import asyncio
import collections
import itertools
import socket
import struct

import topology
from clients import Client

PATIENCE_SECONDS = 5.0
TOTAL_RETRANS = 100  # where tcpi_total_retrans stands in struct tcp_info (linux/tcp.h)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def retransmitted(sock):
    """How many segments this connection had to send again: its SYN, if a packet was lost."""
    return struct.unpack_from("=I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), TOTAL_RETRANS)[0]


class Traffic:
    """Connects from `sender` to the frontends (address, port) in turn, several at a time, from
    entering the context until its end; each pauses for so many seconds in between."""

    def __init__(self, world, sender, frontends, workers=4, pause=0.0):
        self.namespace, self.sender = world[topology.host_of(sender)], sender
        self.frontends = itertools.cycle(frontends)
        self.workers, self.pause = workers, pause
        self.seen = collections.Counter()  # "HOST:PORT" that answered, or "reset", "silence", ..
        self.sent_again = 0
        self.tasks = []
        self.stopping = False

    @property
    def count(self):
        return sum(self.seen.values())

    async def __aenter__(self):
        self.tasks = [asyncio.create_task(self.work()) for _ in range(self.workers)]
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def stop(self):
        self.stopping = True
        await asyncio.gather(*self.tasks)

    async def work(self):
        while not self.stopping:
            address, port = next(self.frontends)
            family = 6 if ":" in address else 4
            source = topology.ADDRESSES[self.sender][family == 6]
            with Client(self.namespace, family, source, "tcp", address, port) as client:
                seen = await client.connect(PATIENCE_SECONDS)
                self.seen[f"{seen.host}:{seen.port}" if seen.kind == "answer" else seen.kind] += 1
                self.sent_again += retransmitted(client.sock)
                # No TIME_WAIT: ports are soon free again.
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            await asyncio.sleep(self.pause)

    async def more(self, count):
        """Waits for so many further connections."""
        target = self.count + count
        while self.count < target:
            await asyncio.sleep(0.01)

    def problems(self, allowed, least=1):
        """What is wrong if every connection should have been answered by one of `allowed`, and each
        of these have answered."""
        found = [f"{times} of {self.count} new connections: {what}, not {' '.join(sorted(allowed))}"
                 for what, times in sorted(self.seen.items()) if what not in allowed]
        found += [f"of {self.count} new connections none was answered by {one}" for one in sorted(allowed)
                  if not self.seen[one]]
        if self.sent_again:
            found.append(f"{self.sent_again} segments had to be sent again in {self.count} connections")
        if self.count < least:
            found.append(f"only {self.count} connections were made, to see {least}")
        return found

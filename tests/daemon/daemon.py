"""kproxy as a process: its log, line by line, and its end."""

import asyncio
import contextlib
import re
import signal
import subprocess
import time

from program import Failed
from namespaces import setns

PATIENCE_SECONDS = 20.0
LONGEST_LINE = 1 << 20
SYNCED = r'"Synced'
STARTED = r'"Following the snapshot file"'
REPAIRED = r'^W.*"The table was changed by somebody else; repaired"'


class Daemon:
    """A running kproxy. Its standard error is read all the time."""

    def __init__(self, process):
        self.process, self.lines = process, []
        self.more = asyncio.Event()  # set with each line, and at the end
        self.reader = asyncio.create_task(self.read())

    @classmethod
    async def start(cls, namespace, command):
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            limit=LONGEST_LINE, preexec_fn=lambda: setns(namespace.fd))
        return cls(process)

    async def read(self):
        while line := await self.process.stderr.readline():
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            self.more.set()
        await self.process.wait()
        self.more.set()

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        """Not when it has ended and all that it logged is here."""
        return not self.reader.done()

    def matching(self, pattern, since=0):
        return [line for line in self.lines[since:] if re.search(pattern, line)]

    async def line(self, pattern, since=0, patience=PATIENCE_SECONDS):
        """The first line from that index on in which the pattern is found."""
        end = time.monotonic() + patience
        while True:
            self.more.clear()
            found = self.matching(pattern, since)
            if found:
                return found[0]
            if self.reader.done():
                raise Failed(f"kproxy ended with {self.process.returncode} instead of logging {pattern}; {self.tail()}")
            try:
                await asyncio.wait_for(self.more.wait(), end - time.monotonic())
            except asyncio.TimeoutError:
                raise Failed(f"kproxy did not log {pattern} within {patience:.0f} s; {self.tail()}") from None

    def stop_reading(self):
        """Closes the pipe that it writes its log to."""
        self.process._transport.get_pipe_transport(2).close()

    def tail(self):
        return "its last lines: " + " | ".join(self.lines[-5:]) if self.lines else "it logged nothing"

    async def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self.reader

    async def stop(self):
        """SIGTERM; (exit status, seconds until it was there)."""
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), 10)
        except asyncio.TimeoutError:
            await self.kill()
            raise Failed(f"kproxy did not end within 10 s of SIGTERM; {self.tail()}") from None
        took = time.monotonic() - began
        await self.reader
        return self.process.returncode, took


def number(line, key):
    """The value of key=NUMBER in a log line."""
    found = re.search(rf"\b{key}=(\d+)", line)
    if not found:
        raise Failed(f"there is no {key} in {line}")
    return int(found[1])

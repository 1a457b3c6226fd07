"""The programs under test, in the node's namespace."""

import asyncio
import contextlib
import subprocess

from topology import incoming_interface

END_SECONDS = 15  # to clean up in


class Failed(Exception):
    """A program did not do what it was started for."""


async def finished(process, patience=None, text=None):
    """What it writes until it ends, within so many seconds. It does not outlive this, whatever happens."""
    try:
        return await asyncio.wait_for(process.communicate(text), patience)
    finally:
        if process.returncode is None:
            await end(process)


async def end(process):
    """Asks it to, so that it can clean up, and then makes it."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except asyncio.TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def output_of(command, text=None):
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await finished(process, text=text)
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit {process.returncode}: "
                     f"{errors.decode().strip()[-2000:]}")
    return output


class Kproxy:
    """The daemon, which follows the snapshot file."""

    def __init__(self, path, namespace, folder):
        self.command = namespace.command(path, "--snapshot", str(folder / "snapshot.json"),
                                         "--config", str(folder / "options.yaml"))
        self.log = folder / "kproxy.log"
        self.process = None

    async def apply(self):
        """Follows by itself, once started."""
        if self.process is not None:
            return
        with open(self.log, "a") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    async def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.returncode is None:
            process.terminate()
        try:
            code = await asyncio.wait_for(process.wait(), 10)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
            raise Failed("kproxy did not end within 10 s of SIGTERM") from None
        if code != 0:
            raise Failed(f"kproxy ended with {code}: {self.tail()}")

    def tail(self):
        return self.log.read_text()[-2000:].strip() if self.log.exists() else "no log"


class Nft:
    """`kpcompile` and `nft -f` in its place: loads the whole table anew for each snapshot."""

    def __init__(self, kpcompile, namespace, folder):
        self.compile = [kpcompile, "--config", str(folder / "options.yaml"), str(folder / "snapshot.json")]
        self.load = namespace.command("nft", "-f", "-")

    async def apply(self):
        text = await output_of(self.compile)
        await output_of(self.load, b"table inet kproxy\ndelete table inet kproxy\n" + text)

    async def stop(self):
        pass

    def tail(self):
        return "loaded by nft"


class Explain:
    """What `kpcompile explain` says; each question is asked once."""

    def __init__(self, kpcompile, folder):
        self.command = [kpcompile, "explain", str(folder / "snapshot.json"),
                        "--config", str(folder / "options.yaml")]
        self.processes = asyncio.Semaphore(2)
        self.answers = {}

    async def ask(self, sender, source, protocol, address, port):
        interface = incoming_interface(sender)
        address = f"[{address}]" if ":" in address else address
        sent_from = source + (f"@{interface}" if interface else "")
        sent_to = f"{protocol}:{address}" + ("" if protocol == "icmp" else f":{port}")
        question = (sent_from, sent_to)
        if question not in self.answers:
            async with self.processes:
                output = await output_of([*self.command, "--from", sent_from, "--to", sent_to, "--brief"])
            self.answers[question] = output.decode().strip()
        return self.answers[question]

    def forget(self):
        self.answers.clear()

"""kproxy is killed at random moments: no connection fails, and the next one carries on."""

import asyncio
import contextlib
import random
import re
import time

import atomic
import netlink
from daemon import SYNCED
from node import bulk, frontends, get, service
from traffic import Traffic

HEALTHZ = 10256
COUNT, LONG_COUNT = 25, 200
LOADS, LONG_LOADS = 8, 40
BULK, LONG_BULK = 1500, 20000
MOST_SECONDS = 0.25  # of life under a changing load


def counts(node):
    seed = random.randrange(1 << 32)
    node.note(f"random seed {seed}")
    return random.Random(seed), *((LONG_COUNT, LONG_LOADS, LONG_BULK) if node.options.long else (COUNT, LOADS, BULK))


class Aim:
    """When to kill, in seconds after the beginning: later if it was too early for something to be done,
    and earlier if it was too late; so that most kills are near the moment that matters."""

    def __init__(self, rng, seconds):
        self.rng, self.seconds = rng, seconds

    async def wait(self):
        await asyncio.sleep(self.seconds * self.rng.uniform(0.85, 1.15))

    def learn(self, too_early):
        self.seconds *= 1.15 if too_early else 0.87


@contextlib.asynccontextmanager
async def changing(node, texts):
    """The file changes all the time."""
    async def change():
        n = 0
        while True:
            node.replace(texts[n % len(texts)])
            n += 1
            await asyncio.sleep(0.005)
    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def under_a_changing_load(node):
    """Killed while the file changes, also as it starts: no connection fails; then the kernel equals the compile"""
    rng, count, _, _ = counts(node)
    services, old, new = atomic.texts(node)
    # Now and then there are more Services, and one fewer.
    more = node.text([*services[1:], *(service(f"more-{n}", 1, "a1,b1", cluster_ip=f"10.96.99.{n},fd00:96::99:{n}")
                                       for n in range(60))])
    node.replace(old)
    began = time.monotonic()
    daemon = await node.start()
    start_seconds = time.monotonic() - began
    kills = within_start = 0
    # web-1 comes and goes; new connections run through the others.
    async with Traffic(node.world, "a3", frontends(*services[1:])) as traffic:
        await traffic.more(8)
        while kills < count:
            async with changing(node, [old, new, more, new]):
                await asyncio.sleep(rng.uniform(0, MOST_SECONDS))
                await daemon.kill()
                kills += 1
                for _ in range(rng.randrange(3)):
                    daemon = await node.launch()
                    await asyncio.sleep(rng.uniform(0, 1.2 * start_seconds))
                    await daemon.kill()
                    kills, within_start = kills + 1, within_start + 1
            daemon = await node.start()
            if not await node.expect_verified(f"after kill {kills}"):
                break
            await traffic.more(3)
    node.expect_none(traffic.problems(atomic.OLD | atomic.NEW))
    node.note(f"killed {kills} times, {within_start} of them within the start ({1000 * start_seconds:.0f} ms), "
              f"{traffic.count} connections")


async def within_a_first_load(node):
    """Killed within a large first load: what is hooked is complete, and the next start completes the rest"""
    rng, _, loads, size = counts(node)
    node.replace(node.text(bulk(size)))
    began = time.monotonic()
    daemon = await node.start()
    load_seconds = time.monotonic() - began
    await daemon.kill()
    states = {"nothing yet": 0, "begun": 0, "complete": 0}
    aim = Aim(rng, 0.8 * load_seconds)
    for n in range(loads):
        netlink.flush(node.namespace)
        daemon = await node.launch()
        await aim.wait()
        await daemon.kill()
        hooked = netlink.has_chain(node.namespace, "kproxy", "prerouting")
        if hooked:
            states["complete"] += 1
            await node.expect_verified(f"load {n} was killed, and left the table hooked")
        else:
            states["begun" if netlink.has_table(node.namespace, "kproxy") else "nothing yet"] += 1
        aim.learn(too_early=not hooked)
        daemon = await node.start()
        await node.expect_verified(f"after load {n} was killed")
        await daemon.kill()
    node.note(f"{size} Services, {load_seconds:.2f} s from start to ready; killed {loads} times, which left: {states}")


def only_chains_more(verified):
    """Whether all that `kproxy verify` found are chains that nothing leads to yet."""
    *differences, _ = verified.output.splitlines()
    return verified.status == 1 and all(re.fullmatch(r"chain \S+-random-\d+ should not be there", line)
                                        for line in differences)


async def within_a_large_change(node):
    """Killed within a large change: it is applied whole or not at all, and no connection fails"""
    rng, _, loads, size = counts(node)
    services, old, _ = atomic.texts(node)
    large = node.text([*services, *bulk(size)])
    before, after = node.folder / "before.json", node.folder / "after.json"
    before.write_text(old)
    after.write_text(large)
    node.replace(old)
    daemon = await node.start()
    states = {"before": 0, "before, with chains to come": 0, "after": 0}
    async with Traffic(node.world, "a3", frontends(*services), workers=2) as traffic:
        await traffic.more(8)
        began, since = time.monotonic(), len(daemon.lines)
        node.replace(large)
        await daemon.line(SYNCED, since)
        change_seconds = time.monotonic() - began
        aim = Aim(rng, 0.7 * change_seconds)
        for n in range(loads):
            node.replace(old)
            if daemon.running:
                await daemon.kill()
            daemon = await node.start()
            node.replace(large)
            await aim.wait()
            await daemon.kill()
            for name, file in (("before", before), ("after", after)):
                verified = await node.kproxy("verify", "--snapshot", file, "--config", node.configuration)
                if name == "before" and only_chains_more(verified):
                    name = "before, with chains to come"
                elif verified.status != 0:
                    continue
                states[name] += 1
                aim.learn(too_early=name != "after")
                break
            else:
                node.expect(False, f"change {n} was killed, and left neither what was before nor what was to come")
    node.expect_none(traffic.problems(atomic.OLD))
    node.note(f"{size} Services more, {change_seconds:.2f} s; killed {loads} times, "
              f"which left: {states}; {traffic.count} connections")


async def healthy_again(node):
    """Killed and started again, it says on its health port that all is well (E2E-58)"""
    node.write(atomic.texts(node)[0])
    for _ in range(2):
        daemon = await node.start()
        status, text = await get(node.namespace, HEALTHZ, "/healthz")
        node.expect(status == 200, f"/healthz: {status} {text}")
        await daemon.kill()
        status, text = await get(node.namespace, HEALTHZ, "/healthz")
        node.expect(status == 0, f"/healthz of a kproxy that was killed: {status} {text}")


TESTS = [under_a_changing_load, within_a_first_load, within_a_large_change, healthy_again]

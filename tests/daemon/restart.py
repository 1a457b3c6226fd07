"""kproxy ends and starts again: packets do not notice."""

import asyncio
import re

import netlink
import topology
from clients import Client
from daemon import number
from node import frontends, service
from program import Failed
from traffic import PATIENCE_SECONDS, Traffic

MOST_SECONDS = 1.0  # to end in
RECONCILED = '"Synced with what the kernel had"'


def services():
    return [service("web", 1, "a1,a2,b1", vip=""), service("local", 2, "a1,b1", etp="Local", vip=""),
            service("empty", 3, ""), service("sticky", 4, "a1,a2,b1,b2", affinity="10800", vip="")]


async def sigterm(node):
    """SIGTERM: exit status 0, promptly, and the rules stay"""
    node.write(services())
    for moment in ("when idle", "right after a change"):
        daemon = await node.start()
        before = await node.listed("table", "inet", "kproxy")
        if moment != "when idle":
            node.write(services()[:3])
        status, seconds = await daemon.stop()
        node.expect(status == 0, f"{moment}: exit status {status}, {daemon.tail()}")
        node.expect(seconds < MOST_SECONDS, f"{moment}: took {seconds:.2f} s")
        node.expect(not daemon.matching("^E"), f"{moment}: {daemon.matching('^E')}")
        after = await node.listed("table", "inet", "kproxy")
        if moment == "when idle":
            node.expect(before == after, "the table is another one after SIGTERM")
        node.expect("hook prerouting" in after, f"{moment}: the rules are gone")
    async with Traffic(node.world, "a3", frontends(services()[0])) as traffic:
        await traffic.more(20)
    node.expect_none(traffic.problems({"a1:8080", "a2:8080", "b1:8080"}))


async def within_start(node):
    """SIGTERM as it starts: exit status 0 or by the signal, promptly, and the next start is as ever"""
    node.write(services())
    for n in range(10):
        daemon = await node.launch()
        await asyncio.sleep(0.004 * n)
        status, seconds = await daemon.stop()
        node.expect(status in (0, -15) and seconds < MOST_SECONDS,
                    f"after {4 * n} ms: exit status {status} after {seconds:.2f} s, {daemon.tail()}")
    await node.start()
    await node.expect_verified("after all")


async def nothing_changed(node):
    """Nothing has changed: not an element, nor anything else, is sent"""
    node.write(services())
    await (await node.start()).stop()
    generation = netlink.generation(node.namespace)
    with netlink.Transactions(node.namespace) as transactions:
        daemon = await node.start()
        line = await daemon.line(RECONCILED)
        sent = transactions.of(daemon.pid)
    for key in ("inserted", "erased", "transactions"):
        node.expect(number(line, key) == 0, f"logged: {line}")
    node.expect(not sent, f"transactions of the new process: {[one.changes[:3] for one in sent]}")
    node.expect(netlink.generation(node.namespace) == generation, "the ruleset's generation is another")
    await node.expect_verified("after the restart")


async def changed_meanwhile(node):
    """What changed meanwhile is all that is sent, in one transaction"""
    node.write(services())
    await (await node.start()).stop()
    node.replace(node.snapshot.read_text().replace('"10.244.2.11"', '"10.244.2.13"'))  # b1 -> b3 in IPv4
    with netlink.Transactions(node.namespace) as transactions:
        daemon = await node.start()
        line = await daemon.line(RECONCILED)
        sent = transactions.of(daemon.pid)
    node.expect(number(line, "transactions") == len(sent) == 1, f"{len(sent)} transactions; logged: {line}")
    node.expect(0 < number(line, "inserted") <= 12, f"logged: {line}")
    structure = [change for one in sent for change in one.changes if "element" not in change[0]]
    node.expect(not structure, f"beside elements: {structure[:5]}")
    await node.expect_verified("after the restart")


async def connections(node):
    """Established connections live on, new ones are answered all the while"""
    node.write(services())
    daemon, held = await node.start(), []
    for address, port in 4 * frontends(services()[0]):
        client = Client(node.world["a3"], 6 if ":" in address else 4, None, "tcp", address, port)
        held.append((client, await client.connect(PATIENCE_SECONDS)))
    async with Traffic(node.world, "a3", frontends(*services()[:2])) as traffic:
        for _ in range(10):
            await daemon.stop()
            await traffic.more(5)
            daemon = await node.start()
            await traffic.more(5)
    node.expect_none(traffic.problems({"a1:8080", "a2:8080", "b1:8080"}))
    for client, before in held:
        with client:
            now = await client.again(PATIENCE_SECONDS)
        node.expect(now == before, f"an established connection: {now}, before {before}")


def remembered(listing):
    """The entries of a map, without their ages."""
    return sorted(re.sub(r" timeout \S+ expires \S+", "", entry)
                  for entry in re.findall(r"[^\s,{][^,{}]* expires [^,{}]*[^\s,{}]", listing))


async def affinity(node):
    """Entries of session affinity survive: clients keep their endpoints"""
    sticky = services()[3]
    node.write(services())
    daemon = await node.start()

    async def ask():
        answers = {}
        for pair in topology.CLIENTS[:8]:
            for family in (4, 6):
                source = pair[family == 6]
                with Client(node.world["client"], family, source, "tcp", sticky.address("vip", family), 80) as client:
                    seen = await client.connect(PATIENCE_SECONDS)
                if seen.kind != "answer":
                    raise Failed(f"client {source}: {seen}")
                answers[source] = seen.host
        return answers

    async def entries():
        names = re.findall(r"\bmap (client\S+)", await node.listed("table", "inet", "kproxy"))
        if not names:
            raise Failed("there are no maps of clients")
        return {name: remembered(await node.listed("map", "inet", "kproxy", name)) for name in names}

    before = await ask()
    node.expect(len(set(before.values())) > 1, f"all clients have the same endpoint: {before}")
    kept = await entries()
    for how in ("stop", "kill"):
        await getattr(daemon, how)()
        daemon = await node.start()
        now = await entries()
        node.expect(now == kept, f"entries after {how}: {now}, before {kept}")
        answers = await ask()
        node.expect(answers == before, f"endpoints after {how}: {answers}, before {before}")
    await node.expect_verified("after the restarts")
    node.note(f"{sum(map(len, kept.values()))} entries in {len(kept)} maps")


TESTS = [sigterm, within_start, nothing_changed, changed_meanwhile, connections, affinity]

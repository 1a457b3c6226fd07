"""Somebody else changes our table while kproxy runs: it is noticed, repaired and logged."""

import asyncio
import re
import time

import netlink
from daemon import REPAIRED, SYNCED, number
from node import bulk, frontends, service
from process import cpu_seconds
from program import Failed
from traffic import Traffic

MOST_SECONDS = 1.0
CERTAIN_SECONDS = 0.5  # without a repair, when there is nothing to be repaired
BULK, LONG_BULK = 5000, 20000
STORM_SECONDS, STORM_RATE, STORM_TICK = 5.0, 500, 0.02
STORM_CPU_SECONDS = 0.5

FOREIGN = """
table inet foreign {
    set seen { type ipv4_addr; flags timeout; elements = { 192.0.2.1 timeout 1d } }
    map ports { type inet_service : verdict; elements = { 7 : drop } }
    chain input { type filter hook input priority 10; tcp dport vmap @ports; }
}
table ip foreign {
    chain postrouting { type nat hook postrouting priority 150; ip daddr 192.0.2.7 masquerade; }
}
"""
FOREIGN_SET = "table inet storm { set often { type ipv4_addr; }; }"

FIRST = "10.96.0.1 . tcp . 80"  # of the Service web-1
# What somebody does (commands of nft, one transaction), and what of it the log must name.
DEEDS = {
    "deletes the table": ("delete table inet kproxy", ["the table kproxy"]),
    "makes the table dormant": ("add table inet kproxy { flags dormant; }", ["dormant"]),
    "flushes a map": ("flush map inet kproxy services4", ["services4"]),
    "flushes the endpoints": ("flush map inet kproxy services6-endpoints", ["services6-endpoints"]),
    "flushes a set": ("flush set inet kproxy cluster-ips4", ["cluster-ips4"]),
    "flushes an interval set": ("flush set inet kproxy pod-cidrs4", ["pod-cidrs4"]),
    "adds an element": ("add element inet kproxy services4 { 10.96.9.9 . tcp . 99 : drop }", ["services4", "10.96.9.9"]),
    "adds an element to a set": ("add element inet kproxy cluster-ips6 { fd00:96::9:9 }", ["cluster-ips6", "fd00:96::9:9"]),
    "adds an interval": ("add element inet kproxy pod-cidrs4 { 192.0.2.0/24 }", ["pod-cidrs4"]),
    "deletes an element": (f"delete element inet kproxy services4 {{ {FIRST} }}", ["services4", "10.96.0.1"]),
    "changes a verdict": (f"delete element inet kproxy services4 {{ {FIRST} }}\n"
                          f"add element inet kproxy services4 {{ {FIRST} : drop }}", ["services4", "10.96.0.1"]),
    "changes an endpoint": (f"delete element inet kproxy services4-endpoints {{ {FIRST} . 0 }}\n"
                            f"add element inet kproxy services4-endpoints {{ {FIRST} . 0 : 10.244.1.13 . 8080 }}",
                            ["services4-endpoints", "10.96.0.1"]),
    "adds a rule": ("add rule inet kproxy mark-for-masquerade counter", ["mark-for-masquerade"]),
    "inserts a rule": ("insert rule inet kproxy services4 ip daddr 10.96.0.1 drop", ["services4"]),
    "deletes a rule": ("delete rule inet kproxy services4 handle HANDLE", ["services4"]),
    "replaces a rule": ("replace rule inet kproxy services4 handle HANDLE drop", ["services4"]),
    "flushes a chain": ("flush chain inet kproxy prerouting", ["prerouting"]),
    "flushes all rules": ("flush table inet kproxy", ["services4"]),
    "adds a chain": ("add chain inet kproxy others", ["others"]),
    "adds a hooked chain": ("add chain inet kproxy others { type filter hook forward priority 0; policy drop; }",
                            ["others"]),
    "adds a set": ("add set inet kproxy others { type ipv4_addr; }", ["others"]),
    "changes a chain's policy": ("add chain inet kproxy prerouting { policy drop; }", ["prerouting"]),
    "adds much at once": ("add element inet kproxy services4 { "
                          + ", ".join(f"10.96.10.{n} . udp . {m} : drop" for n in range(50) for m in range(20))
                          + " }", ["services4"]),
    "flushes the ruleset": ("flush ruleset", ["the table kproxy"]),
}


def services():
    return [service("web-1", 1, "a1,a2", vip=""), service("web-2", 2, "a1,b1,b2", node_port=""), service("empty", 3, "")]


async def foreign_tables(node):
    listing = await node.listed("table", "inet", "foreign") + await node.listed("table", "ip", "foreign")
    return re.sub(r" expires \w+", "", listing)


async def tampered(node, daemon, transactions, what, commands, named):
    """Does it, and sees to what becomes of it."""
    if "HANDLE" in commands:
        listing = await node.run("nft", "-a", "list", "chain", "inet", "kproxy", "services4")
        commands = commands.replace("HANDLE", re.search(r"vmap @services4 .*# handle (\d+)", listing.output)[1])
    since, count = len(daemon.lines), len(transactions.of(daemon.pid))
    others = len(transactions.not_of(daemon.pid))
    await node.nft(commands)
    deed = transactions.not_of(daemon.pid)[others]
    try:
        line = await daemon.line(REPAIRED, since, 3 * MOST_SECONDS)
    except Failed as failed:
        node.expect(False, f"somebody {what}: {failed}")
        return False
    repair = transactions.of(daemon.pid)[count:]
    took = repair[0].time - deed.time if repair else 0
    node.expect(repair, f"somebody {what}: repaired, says the log, but kproxy has committed nothing")
    node.expect(took < MOST_SECONDS, f"somebody {what}: repaired after {took:.2f} s")
    node.expect(number(line, "differences") > 0, f"somebody {what}: {line}")
    node.expect('by="nft, process ' in line, f"somebody {what}: it is not said who: {line}")
    verified = await node.expect_verified(f"somebody {what}, and it was repaired")
    logged = "\n".join(daemon.lines[since:])
    for name in named:
        node.expect(name in logged, f"somebody {what}: the log does not name {name}: {logged[:400]}")
    node.expect(not daemon.matching("^E", since), f"somebody {what}: {daemon.matching('^E', since)}")
    return verified and took


async def deeds(node):
    """Whatever is done to the table: repaired within a second, logged with what differed; others' tables stay
    (NFT-10, BEYOND-05)"""
    await node.nft(FOREIGN)
    node.write(services())
    daemon, seconds = await node.start(), []
    foreign = await foreign_tables(node)
    with netlink.Transactions(node.namespace) as transactions:
        for what, (commands, named) in DEEDS.items():
            took = await tampered(node, daemon, transactions, what, commands, named)
            if not took:  # others may still be seen to
                await daemon.stop()
                await node.nft("add table inet kproxy\ndelete table inet kproxy")
                daemon = await node.start()
                continue
            seconds.append(took)
            if commands != "flush ruleset":
                now = await foreign_tables(node)
                node.expect(now == foreign, f"somebody {what}: a foreign table is another now:\n{now}")
        touched = {change[1] for one in transactions.list if one.program == "kproxy" for change in one.changes}
        node.expect(touched <= {"inet kproxy"}, f"kproxy has changed tables of others: {touched}")
        node.expect(not transactions.lost, "the test could not follow the kernel")
    async with Traffic(node.world, "a3", frontends(services()[0])) as traffic:
        await traffic.more(20)
    node.expect_none(traffic.problems({"a1:8080", "a2:8080"}))
    if seconds:
        node.note(f"{len(seconds)} repairs, after {1000 * min(seconds):.0f} to {1000 * max(seconds):.0f} ms")


async def again_and_again(node):
    """Somebody does it again as soon as it is repaired, and many times in a row: repaired in the end"""
    node.write(services())
    daemon = await node.start()
    with netlink.Transactions(node.namespace) as transactions:
        for n in range(5):
            await tampered(node, daemon, transactions, f"deletes the table, time {n}",
                           "delete table inet kproxy", ["the table kproxy"])
            if node.problems:
                return
    since = len(daemon.lines)
    for n in range(20):
        await node.nft(f"add element inet kproxy services4 {{ 10.96.9.{n} . tcp . 99 : drop }}")
    await daemon.line(REPAIRED, since, 3 * MOST_SECONDS)
    await node.expect_verified("after many changes", MOST_SECONDS)
    node.write([*services(), service("another", 4, "a3")])  # and it still does its work
    await node.in_force()
    await node.expect_verified("after the next snapshot", MOST_SECONDS)


async def own_changes(node):
    """What kproxy itself changes is not taken for somebody else's"""
    node.write(services())
    daemon = await node.start()
    for n in range(10):
        node.write(services()[:1 + n % 3])
        await node.in_force()
    await asyncio.sleep(CERTAIN_SECONDS)
    node.expect(not daemon.matching(REPAIRED), f"logged: {daemon.matching(REPAIRED)[:1]}")
    node.expect(not daemon.matching("^[EW]"), f"logged: {daemon.matching('^[EW]')[:3]}")


async def within_a_change(node):
    """Somebody flushes a map, and at the same time the snapshot changes: both are seen to"""
    node.write(services())
    daemon = await node.start()
    for n in range(10):
        since = len(daemon.lines)
        # Before the change, or after it.
        if n % 2:
            await node.nft("flush map inet kproxy services4-endpoints\nflush map inet kproxy services4")
        node.write([service("web-1", 1, f"a1,b{1 + n % 3}", vip=""), *services()[1:]])
        if not n % 2:
            await node.nft("flush map inet kproxy services4-endpoints\nflush map inet kproxy services4")
        await node.in_force()
        await daemon.line(REPAIRED, since)
        if not await node.expect_verified(f"time {n}", 10):
            break


async def large_table(node):
    """Whatever is done to a large table is repaired within a second, too"""
    node.write([*services(), *bulk(LONG_BULK if node.options.long else BULK)])
    daemon = await node.start()
    with netlink.Transactions(node.namespace) as transactions:
        for what in ("adds a rule", "adds a chain", "deletes an element", "flushes a set"):
            took = await tampered(node, daemon, transactions, what, *DEEDS[what])
            if took:
                node.note(f"somebody {what}: repaired after {1000 * took:.0f} ms")


async def storm(node):
    """500 commits a second in a foreign table cost no repair and no time, and nothing of it is touched"""
    await node.nft(FOREIGN + FOREIGN_SET)
    node.write(services())
    daemon = await node.start()
    foreign = await foreign_tables(node)
    since, before, delays = len(daemon.lines), cpu_seconds(daemon.pid), []
    with (netlink.Transactions(node.namespace) as transactions,
          netlink.Committer(node.namespace, "storm", "often", bytes([192, 0, 2, 9])) as committer):
        began = time.monotonic()

        async def commit():
            while (elapsed := time.monotonic() - began) < STORM_SECONDS:
                while committer.count < elapsed * STORM_RATE:
                    committer.commit()
                await asyncio.sleep(STORM_TICK)

        storming = asyncio.create_task(commit())
        while not storming.done():  # meanwhile there are changes, too
            await asyncio.sleep(0.5)
            mark, start = len(daemon.lines), time.monotonic()
            node.write(services()[:1 + len(delays) % 3])
            await daemon.line(SYNCED, mark)
            delays.append(time.monotonic() - start)
        await storming
        spent = cpu_seconds(daemon.pid) - before
        own = transactions.of(daemon.pid)
    rate = committer.count / STORM_SECONDS
    node.expect(rate > 0.95 * STORM_RATE, f"only {rate:.0f} commits a second were made")
    node.expect(not daemon.matching(REPAIRED, since), f"logged: {daemon.matching(REPAIRED, since)[:1]}")
    node.expect(not daemon.matching("^[EW]", since), f"logged: {daemon.matching('^[EW]', since)[:3]}")
    # One transaction for each change; and others of kproxy's own accord, for chains it needs no more.
    node.expect(len(own) <= 2 * len(delays), f"{len(delays)} changes, but {len(own)} transactions of kproxy")
    node.expect(spent < STORM_CPU_SECONDS, f"kproxy needed {spent:.2f} s of CPU in {STORM_SECONDS:.0f} s")
    node.expect(max(delays) < MOST_SECONDS, f"a change took {max(delays):.2f} s")
    now = await foreign_tables(node)
    node.expect(now == foreign, f"a foreign table is another now:\n{now}")
    await node.expect_verified("after all", 10)
    node.note(f"{rate:.0f} commits a second, {spent:.2f} s of CPU; {len(delays)} changes meanwhile, "
              f"{1000 * min(delays):.0f} to {1000 * max(delays):.0f} ms each")


TESTS = [deeds, again_and_again, own_changes, within_a_change, large_table, storm]

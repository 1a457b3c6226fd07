"""Packets see one ruleset or the next, never a mix of both."""

import asyncio

from daemon import SYNCED, number
from node import frontends, service
from traffic import Traffic

COUNT, LONG_COUNT = 500, 10000
SETTLED_SECONDS = 10  # chains that nothing leads to any more are kept for a while
OLD, NEW, LOCAL_NEW = {"a1:8080", "a2:8080"}, {"b1:8081", "b2:8081", "b3:8081"}, {"a4:8081"}


def texts(node, first_number=1, count=12, local=False):
    """Services, and two snapshots of them. Nothing is in both: neither endpoints, nor their number
    (and thus verdicts), nor their ports; so that of a mix, something strange would come. The last one is
    of externalTrafficPolicy Local, if there shall be such."""
    def services(endpoints, local_endpoints):
        made = [service(f"web-{n}", n, endpoints, vip="") for n in range(first_number, first_number + count)]
        if local:
            made.append(service("local", first_number + count, local_endpoints, vip="", etp="Local"))
        return made

    old, new = services("a1,a2", "a1,a2"), services("b1,b2,b3", "a4,b1")
    return old, node.text(old), node.text(new).replace('"port": 8080', '"port": 8081')


async def flips(node):
    """Services flip between two groups of endpoints, each time in one transaction: no third outcome, no loss
    within the cluster, nor from outside with externalTrafficPolicy Cluster and Local (NFT-09, E2E-57, E2E-64)"""
    (*services, local), old, new = texts(node, local=True)
    node.replace(old)
    daemon = await node.start()
    count = LONG_COUNT if node.options.long else COUNT
    begin = len(daemon.lines)
    async with (Traffic(node.world, "a3", frontends(*services)) as traffic,
                Traffic(node.world, "client", frontends(*services, kind="vip"), workers=1) as cluster,
                Traffic(node.world, "client", frontends(local, kind="vip"), workers=1) as only_local):
        for one in (traffic, cluster, only_local):
            await one.more(8)
        for n in range(count):
            since = len(daemon.lines)
            node.replace(old if n % 2 else new)
            await daemon.line(SYNCED, since)
            await traffic.more(1)
    node.expect_none(traffic.problems(OLD | NEW, least=count))
    node.expect_none(f"load balancer: {problem}" for problem in cluster.problems(OLD | NEW))
    node.expect_none(f"externalTrafficPolicy Local: {problem}" for problem in only_local.problems(OLD | LOCAL_NEW))
    synced = [line for line in daemon.matching(SYNCED, begin) if number(line, "inserted")]
    node.expect(len(synced) == count, f"{count} flips, but {len(synced)} times was anything inserted")
    # Before what leads to them come chains that are new, as some are in the first flip.
    several = [line for n, line in enumerate(synced) if number(line, "transactions") > (1 if n else 2)]
    node.expect(not several, f"{len(several)} flips took not one transaction: {several[:1]}")
    node.expect_none(f"logged: {line}" for line in daemon.matching("^[EW]")[:3])
    await node.expect_verified("after the flips", SETTLED_SECONDS)
    node.note(f"{count} flips of {len(services)} Services, {traffic.count} connections within, "
              f"{cluster.count} and {only_local.count} from outside")


async def in_a_row(node):
    """The file changes again before the last change is applied: none of it shows, and the last one stays"""
    services, old, new = texts(node)
    node.replace(old)
    daemon = await node.start()
    async with Traffic(node.world, "a3", frontends(*services)) as traffic:
        await traffic.more(8)
        for n in range(400):
            node.replace(old if n % 2 else new)
            if n % 20 == 0:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0)
        node.write([*services])
        await node.in_force()
    node.expect_none(traffic.problems(OLD | NEW))
    async with Traffic(node.world, "a3", frontends(*services)) as traffic:
        await traffic.more(50)
    node.expect_none(traffic.problems(OLD))
    node.expect_none(f"logged: {line}" for line in daemon.matching("^[EW]")[:3])
    await node.expect_verified("after the changes", SETTLED_SECONDS)


TESTS = [flips, in_a_row]

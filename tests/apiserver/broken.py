"""The server, or the way to it, breaks in the middle of things."""

import asyncio
import itertools
import time

import netlink
from stage import OTHER_PORT, POD_PORT, service, to_other_port

VANISHED_SECONDS = 80.0  # until a peer that says nothing is known to be gone
MOST_SHORT_WATCHES = 30
BACK_SECONDS = 8.0  # to follow a server that was gone for some seconds: the next attempt, and a list


def others(count, base=40):
    return [service(f"other-{n}", 1, "a1,a2", cluster_ip=f"10.96.{base}.{n},fd00:96::{base}:{n}") for n in range(count)]


def objects_of(services):
    return [one for each in services for one in each.objects()]


def lists_of(stage, resource, since):
    return [one for one in stage.requests("watch", resource, since) if "sendInitialEvents" in one.query]


def restart_with_lists(stage, **faults):
    """Restarts the server, without memory: each watch that is resumed gets 410, and the list that is asked for then
    meets the fault for its resource."""
    added = [stage.server.faults.add(resource=resource, initial=True, **fault) for resource, fault in faults.items()]
    stage.server.store.pass_time()
    stage.server.restart()
    return added


async def cut_anywhere(stage):
    """Streams are cut, between events and within them: nothing is lost and nothing vanishes OPS-13"""
    stage.most_requests = 40
    stage.server.put(*objects_of(others(20)))
    await stage.start()
    ports = itertools.cycle((to_other_port, lambda objects: objects))
    async with stage.unbroken("while streams are cut", allowed=(POD_PORT, OTHER_PORT)):
        for after in (0, 1, 5, 17, 100, 300, 301, 700, 900, 2049):
            await stage.watching()
            for stream in stage.server.streams():
                stream.cut(after)
            stage.server.put(*next(ports)(stage.web.objects()))
            stage.server.put(*objects_of(others(20, 41 + after % 2)))
            await asyncio.sleep(0.05)
        await stage.check_settled("after the cuts")
    lists = [one for one in stage.requests() if one.query.get("sendInitialEvents") or one.verb == "list"]
    stage.check(len(lists) == 4, "each resource was listed once, and then resumed", len(lists))


async def cut_within_the_list(stage):
    """The first list is cut, again and again: nothing half is programmed, and then it is whole OPS-05 OPS-13"""
    stage.server.put(*objects_of(others(20)))
    for after in (0, 200, 2600):
        stage.server.faults.add(resource="services", cut_after=after)
    with stage.transactions() as transactions:
        daemon = await stage.launch()
        await stage.check_settled("once a list is whole", 20)
        own = transactions.of(daemon.pid)
    whole = [one.time for one in stage.requests("watch", "services")][3:]
    stage.check(whole and own and own[0].time > whole[0], "the kernel hears nothing before")


async def cut_within_a_later_list(stage):
    """After a restart of the server the lists in place of what is there are cut: nothing vanishes, and then what
    changed meanwhile is found OPS-13 SVC-21"""
    stage.server.put(*objects_of(others(20)))
    await stage.start()
    await stage.watching()
    first, second = others(2)
    async with stage.unbroken("while the next lists are cut"):
        began = time.monotonic()
        stage.server.kill()  # so that nothing but lists tells of these
        stage.server.delete(*first.objects())
        stage.server.put(*to_other_port(second.objects()))
        restart_with_lists(stage, services={"cut_after": 1500}, endpointslices={"cut_after": 1500})
        await stage.check_settled("after the restart", 20)
    for resource in ("services", "endpointslices"):
        lists = lists_of(stage, resource, began)
        stage.check(len(lists) == 2, f"{resource}: listed once more after the list that was cut",
                    [str(one) for one in lists])


async def restart(stage):
    """The server is restarted and has forgotten the past; what vanished meanwhile goes, the rest stays
    in force all the time E2E-07 OPS-13 SVC-21"""
    gone, kept, new = service("gone", 2, "a1"), service("kept", 3, "a1"), service("new", 4, "a2")
    stage.server.put(*objects_of([gone, kept]))
    await stage.start()
    async with stage.unbroken("while the server is away and comes back", stage.web, kept):
        with stage.transactions() as transactions:
            stage.server.kill()
            stage.server.delete(*gone.objects())
            stage.server.put(*new.objects())
            await asyncio.sleep(3.0)
            stage.check(not transactions.of(stage.daemons[0].pid), "without a server, the kernel hears nothing")
            stage.check(await stage.answers(gone) == "pod:8080", "what there was stays in force")
            stage.server.store.forget()
            stage.server.start()
            began = time.monotonic()
            await stage.check_settled("after the restart", BACK_SECONDS)
            own = transactions.of(stage.daemons[0].pid)
    stage.check(await stage.answers(gone) != "pod:8080", "the Service that went meanwhile is gone")
    stage.check(await stage.answers(new) == "pod:8080", "the one that came is there")
    stage.check(not any("table" in change[0] or "chain" in change[0] and change[2] == "prerouting"
                        for one in own for change in one.changes), "the table stays", own)
    for resource in ("services", "endpointslices"):
        refused = [one for one in stage.requests("watch", resource, began) if "sendInitialEvents" not in one.query]
        lists = [one for one in stage.requests("watch", resource, began) if "sendInitialEvents" in one.query]
        stage.check(len(lists) == 1 and len(refused) <= 1, f"{resource}: one 410, one list",
                    [str(one) for one in refused + lists])


async def restarts_in_a_row(stage):
    """A server that is up for a second at a time is followed as far as it goes OPS-13"""
    stage.most_requests = 16
    await stage.start()
    async with stage.unbroken("while the server comes and goes", allowed=(POD_PORT, OTHER_PORT)):
        for n in range(6):
            stage.server.restart(history=n % 2 == 0)
            stage.server.put(*(stage.web.objects() if n % 2 else to_other_port(stage.web.objects())))
            await asyncio.sleep(1.0)
            stage.server.kill()
            await asyncio.sleep(0.3)
        stage.server.start()
        await stage.check_settled("after all", 20)


async def terminated(stage):
    """The server gets SIGTERM: its streams go on for a while, and end; the next one is followed OPS-13"""
    await stage.start()
    await stage.watching()
    stage.server.terminate(2.0)
    stage.server.put(*to_other_port(stage.web.objects()))
    await stage.check_settled("while it ends", 3)
    await asyncio.sleep(2.0)
    stage.server.put(*stage.web.objects())
    stage.server.store.forget()
    stage.server.start()
    await stage.check_settled("after the next start", BACK_SECONDS)


async def expired(stage):
    """410, as an event and as a status: one list each time, in which what vanished is found OPS-13 SVC-21"""
    await stage.start()
    await stage.watching()
    gone = others(3)
    stage.server.put(*objects_of(gone))
    await stage.check_settled("at first")
    began = time.monotonic()
    async with stage.unbroken("while lists are made"):
        stage.server.store.forget()
        for stream in stage.server.streams():
            stream.expire()
        stage.server.delete(*objects_of(gone))
        await stage.check_settled("after the ERROR events", 5)
    lists = [one for one in stage.requests(since=began) if "sendInitialEvents" in one.query or one.verb == "list"]
    stage.check(len(lists) == 4, "one list for each 410", [str(one) for one in lists])


async def older_server(stage):
    """A server without streaming lists is listed in pages, and watched; 410 within the pages begins anew OPS-13"""
    stage.server.streaming_lists = False
    stage.most_requests = 16
    stage.server.put(*(one for n in range(1200) for one in service(
        f"many-{n}", 1, "a1", families="4", cluster_ip=f"10.96.{50 + n // 200}.{n % 200},::").objects()))
    daemon = await stage.start()
    stage.check(len(stage.requests("list", "services")) >= 3, "there are several pages",
                len(stage.requests("list", "services")))
    await stage.watching()
    watches = [one for one in stage.requests("watch", "services") if one.status == 200]
    stage.check(len(watches) == 1 and watches[0].query.get("resourceVersion", "0") != "0",
                "one watch follows, from the version of the list", [str(one) for one in watches])
    stage.server.put(*to_other_port(stage.web.objects()))
    await stage.check_settled("after a change", 3)
    # It forgets where we are, and then, within the list, once more.
    began = time.monotonic()
    stage.server.delete(*service("many-7", 1, "a1", families="4").objects())
    pages = stage.server.faults.add(verb="list", resource="services", delay=0.3)
    stage.server.store.forget()
    for stream in stage.server.streams("services"):
        stream.expire()
    listing = await stage.until(lambda: pages.struck and any(
        "continue" not in one.query and one.status for one in stage.requests("list", "services", began)))
    stage.check(listing, "it lists anew")
    stage.server.store.pass_time()
    stage.server.store.forget()
    await stage.check_settled("after 410 within the pages", 10)
    tokens = [one.query["continue"] for one in stage.requests("list", "services", began) if "continue" in one.query]
    stage.check(len(tokens) == len(set(tokens)), "no page is asked for twice", len(tokens))
    stage.check(daemon.running and await stage.answers(stage.web) == "pod:8081", "all is well")


async def short_watches(stage):
    """Watches that end at once, with and without news, are no reason to ask all the time OPS-13"""
    await stage.start()
    await stage.watching()
    for news in (False, True):
        stage.server.faults.add(verb="watch", end=True, times=10000)
        began = time.monotonic()
        for stream in stage.server.streams():
            stream.end()
        for number in itertools.count():
            if time.monotonic() > began + 4:
                break
            if news:
                stage.server.put(*service("news", 2, "a1", vip=f"10.97.9.{number % 250},fd00:97::9").objects())
            await asyncio.sleep(0.005)
        stage.server.faults.clear()
        asked = len(stage.requests("watch", "services", began))
        stage.check(2 <= asked <= MOST_SHORT_WATCHES, f"{'with' if news else 'without'} news: within 4 s it asks "
                    f"more than once and no more than {MOST_SHORT_WATCHES} times", asked)
        await stage.check_settled("afterwards", 20)
    stage.most_requests = 2 * MOST_SHORT_WATCHES


async def silent_server(stage):
    """A server that takes requests and never answers, or falls silent within a list, is given up and
    asked again OPS-13"""
    await stage.start()
    await stage.watching()
    stage.server.faults.add(resource="services", hang=True)
    frozen = stage.server.faults.add(resource="endpointslices", initial=True, freeze_after=700)
    new = service("new", 2, "a1")
    with stage.server.store.changed:  # nobody hears of what follows but by a list
        for stream in stage.server.streams():
            stream.cut()
        stage.server.put(*to_other_port(stage.web.objects()), *new.objects())
        stage.server.store.forget()
    async with stage.unbroken("meanwhile", allowed=(POD_PORT, OTHER_PORT)):
        stage.check(await stage.until(lambda: frozen.struck), "the list falls silent")
        await asyncio.sleep(1.0)
        stage.check(await stage.answers(new) != "pod:8080", "nothing comes at first")
        await stage.check_settled("once it answers", 45)


async def first_list_hangs(stage):
    """The store does not answer while kproxy starts; once it does, kproxy is there within its patience OPS-02"""
    stage.server.store_hangs = True
    daemon = await stage.launch()
    stage.check(await stage.until(lambda: len(stage.requests("watch")) >= 4), "it asks for everything")
    await asyncio.sleep(2.0)
    stage.check(daemon.running and not stage.tables(), "it waits, and does nothing")
    stage.server.store_hangs = False
    await stage.check_settled("once the store answers", 40)


async def slow_server(stage):
    """The answer arrives byte by byte OPS-05"""
    stage.server.faults.add(resource="services", trickle=0.001)
    await stage.launch()
    await stage.check_settled("in the end", 30)


async def vanished_peer(stage):
    """The server's machine vanishes without a word: noticed, and the next one is followed OPS-13"""
    await stage.start()
    await stage.watching()
    ports = ", ".join(str(stream.connection.peer) for stream in stage.server.streams())
    # Neither side hears of the other any more on the connections there are; new ones are fine.
    status, output = await stage.run(
        "nft", f"table inet cable {{\nchain cut {{\ntype filter hook input priority 0\n"
               f"tcp sport {stage.server.port} tcp dport {{ {ports} }} drop\n"
               f"tcp dport {stage.server.port} tcp sport {{ {ports} }} drop\n}}\n}}")
    stage.check(status == 0, "the cable is cut", output)
    stage.server.put(*to_other_port(stage.web.objects()))
    async with stage.unbroken("meanwhile", allowed=(POD_PORT, OTHER_PORT)):
        await stage.check_settled("by another connection", VANISHED_SECONDS)


async def killed_meanwhile(stage):
    """kproxy is killed while it reads a list after a restart of the server: the next one completes it OPS-18"""
    stage.most_requests = 20
    stage.server.put(*objects_of(others(30)))
    daemon = await stage.start()
    async with stage.unbroken("all the while"):
        for after in (300, 3000, 15000):  # of about 16000
            began = time.monotonic()
            frozen, = restart_with_lists(stage, services={"freeze_after": after})
            fine = await stage.until(lambda: frozen.struck and any(
                one.initial and one.connection.sent == after for one in stage.server.streams("services")))
            stage.check(fine and len(lists_of(stage, "services", began)) == 1,
                        f"a list has begun and falls silent at byte {after}",
                        [str(one) for one in stage.requests("watch", "services", began)])
            await asyncio.sleep(0.2)  # so that kproxy reads what there is
            await daemon.kill()
            stage.server.faults.clear()
            stage.server.put(*objects_of(others(30, 60 + after % 7)))
            daemon = await stage.launch()
            await stage.check_settled(f"after it was killed at byte {after}")
    stage.check(netlink.has_chain(stage.namespace, "kproxy", "prerouting"), "the table is hooked")


SCENARIOS = [vanished_peer, silent_server, short_watches, cut_anywhere, cut_within_the_list,
             cut_within_a_later_list, restart, restarts_in_a_row, terminated, expired, older_server, first_list_hangs,
             slow_server, killed_meanwhile]

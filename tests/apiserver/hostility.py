"""Objects and streams that no server should send."""

import itertools

import hostile
from stage import service, to_other_port

witnesses = itertools.count(1)
MOST_BYTES = 400 << 20  # of memory, with an object of 20 MB under way


def peak_memory(pid):
    """Bytes."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))


async def still_follows(stage, when):
    """A change after it is in force soon."""
    number = next(witnesses)
    one = service(f"witness-{number}", 1, "a1", cluster_ip=f"10.96.80.{number},fd00:96::80:{number}")
    stage.server.put(*one.objects())
    seen = await stage.last_answer(lambda: stage.answers(one), "pod:8080", 8)
    stage.check(seen == "pod:8080" and stage.daemons[-1].running, f"{when}: later changes are followed",
                f"{seen}; {stage.daemons[-1].tail()}")


async def services(stage):
    """Services nested 100,000 levels, of 20 MB, with bad UTF-8, wrong types, null everywhere: each is left
    out, the rest is served BEYOND-07 BEYOND-18"""
    stage.most_requests = 30
    daemon = await stage.start()
    async with stage.unbroken("meanwhile"):
        for make in hostile.SERVICES:
            name = make.__name__.replace("_", "-")
            stage.server.store.put_raw("services", "default", name, make(name))
            await still_follows(stage, make.__doc__ or name)
    peak = peak_memory(daemon.pid)
    stage.check(peak < MOST_BYTES, f"memory stays below {MOST_BYTES >> 20} MB", f"{peak >> 20} MB")


async def services_in_lists(stage):
    """The same in a streaming list, and in a list in pages BEYOND-07"""
    stage.most_requests = 30
    for make in hostile.SERVICES:
        name = make.__name__.replace("_", "-")
        stage.server.store.put_raw("services", "default", name, make(name))
    for streaming in (True, False):
        stage.server.streaming_lists = streaming
        daemon = await stage.launch()
        await stage.until(lambda: daemon.matching('"Synced'))
        how = "a streaming list" if streaming else "a list in pages"
        seen = await stage.last_answer(lambda: stage.answers(stage.web), "pod:8080")
        stage.check(seen == "pod:8080", f"{how}: the others are served", f"{seen}; {daemon.tail()}")
        await still_follows(stage, how)
        stage.check(peak_memory(daemon.pid) < MOST_BYTES, f"{how}: memory stays below {MOST_BYTES >> 20} MB",
                    peak_memory(daemon.pid) >> 20)
        await daemon.kill()


async def slices(stage):
    """Slices with nonsense in them: what can be used is, the rest is left out EP-16 BEYOND-07"""
    stage.most_requests = 30
    await stage.start()
    async with stage.unbroken("meanwhile"):
        for what, text in hostile.SLICES.items():
            stage.server.store.put_raw("endpointslices", "default", "nonsense", hostile.slice_of("nonsense", text),
                                       {"kubernetes.io/service-name": "web"})
            await still_follows(stage, what)


NOT_EVENTS = {
    "no JSON": b"<html>gateway</html>\n",
    "an empty line": b"\n",
    "no object": b"[1,2,3]\n",
    "no type": b'{"object":{"kind":"Service"}}\n',
    "an unknown type": b'{"type":"NOTICE","object":{"kind":"Service","metadata":{"name":"web"}}}\n',
    "another kind": b'{"type":"ADDED","object":{"kind":"Secret","apiVersion":"v1","metadata":{"name":"web"}}}\n',
    "no metadata": b'{"type":"DELETED","object":{"kind":"Service","apiVersion":"v1"}}\n',
    "an error that is none": b'{"type":"ERROR","object":[]}\n',
    "a NUL": b'{"type":"ADDED","object":{"kind":"Service\0"}}\n',
    "a line of 5 MB that is no JSON": b"x" * (5 << 20) + b"\n",
}


async def streams(stage):
    """Lines of a watch that are no events change nothing, and the server is followed on"""
    stage.most_requests = 30
    await stage.start()
    async with stage.unbroken("meanwhile"):
        for what, data in NOT_EVENTS.items():
            await stage.watching()
            for stream in stage.server.streams("services"):
                stream.raw(data)
            await still_follows(stage, what)
    await stage.check_settled("after all")


async def framing(stage):
    """An answer that is not HTTP, or whose framing is broken, is given up"""
    stage.most_requests = 30
    await stage.start()
    for data in (b"", b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"zz\r\nnonsense\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n"):
        await stage.watching()
        for stream in stage.server.streams():
            stream.order(lambda stream=stream: stream.connection.send(data))
            stream.cut(len(data) + 1 if data else 0)
        stage.server.put(*to_other_port(stage.web.objects()))
        await stage.check_settled(f"after {data[:12]}", 10)
        stage.server.put(*stage.web.objects())
        await stage.check_settled("and back", 10)


SCENARIOS = [services, services_in_lists, slices, streams, framing]

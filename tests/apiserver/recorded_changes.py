"""The changes that a real server once told of, while everything else goes wrong at random."""

import asyncio
import json
import pathlib
import random

from stage import NODE, service

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
RECORDED_NODE = "worker-1"  # becomes ours
SECONDS = 0.015  # from one change to the next
CALAMITY = 0.12  # how likely one comes with a change


def recorded(name):
    return (DATA / name).read_text().replace(f'"{RECORDED_NODE}"', f'"{NODE}"')


def load(stage):
    """The cluster before the first change."""
    stage.server.delete(*stage.web.objects())
    stage.server.load(json.loads(recorded("churn-begin.json"))["items"])
    stage.server.load([one for one in json.loads(recorded("realistic-cluster.json"))["items"]
                       if one["kind"] in ("Node", "ServiceCIDR")])


def changes():
    """(deleted, object)"""
    for line in recorded("churn.jsonl").splitlines():
        event = json.loads(line)
        one = event["object"]
        one["metadata"].pop("resourceVersion")
        yield event["type"] == "DELETED", one


def calamity(server, rng):
    """One of the things that happen to servers and connections."""
    streams = server.streams()
    stream = rng.choice(streams) if streams else None
    kind = rng.choice(["cut", "cut later", "end", "bookmark", "forget", "restart", "expire", "refuse", "close",
                       "torn list", "starting"])
    if kind == "forget":
        server.store.forget()
    elif kind == "restart":
        server.restart(history=rng.random() < 0.5)
    elif kind == "refuse":
        server.faults.add(status=rng.choice([429, 500, 503]), retry_after=1)
    elif kind == "close":
        server.faults.add(close=True)
    elif kind == "torn list":
        server.faults.add(cut_after=rng.randrange(20000))
    elif kind == "starting":
        server.starting = not server.starting
    elif stream:
        {"cut": stream.cut, "cut later": lambda: stream.cut(rng.randrange(3000)), "end": stream.end,
         "bookmark": stream.bookmark, "expire": stream.expire}[kind]()


async def at_peace(stage):
    """285 recorded changes are followed, each as it comes OPS-10"""
    load(stage)
    daemon = await stage.start()
    for deleted, one in changes():
        (stage.server.delete if deleted else stage.server.put)(one)
        await asyncio.sleep(SECONDS)
    await stage.check_settled("after all")
    stage.check(len(stage.requests()) <= 5, "no request but the first ones was made", len(stage.requests()))
    stage.check(not stage.errors(daemon), "nothing is logged as an error", stage.errors(daemon)[:2])


async def at_war(stage):
    """The same while streams are cut, lists torn, requests refused, the server restarted and its memory
    lost, at random OPS-13"""
    load(stage)
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    stage.most_requests = 100
    witness = service("witness", 1, "a1", cluster_ip="10.96.250.1,fd00:96::250:1")
    stage.server.put(*witness.objects())
    daemon = await stage.start()
    async with stage.unbroken(f"all the while (random seed {seed})", witness):
        for deleted, one in changes():
            (stage.server.delete if deleted else stage.server.put)(one)
            if rng.random() < CALAMITY:
                calamity(stage.server, rng)
            await asyncio.sleep(SECONDS * rng.uniform(0, 4))
        stage.server.starting = False
        stage.server.faults.clear()
        stage.check(daemon.running, "kproxy runs", daemon.tail())
        await stage.check_settled("after all", 45)


SCENARIOS = [at_war, at_peace]

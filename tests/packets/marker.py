"""A Service that each snapshot has anew: once it answers, the snapshot is in force."""

import asyncio
import time

import cluster
from clients import Client
from program import Failed


def marker(number):
    high, low = divmod(number, 250)
    return cluster.Service("snapshot-in-force", 0, {
        "protocols": "tcp", "endpoints": "a1",
        "cluster-ip": f"10.96.{240 + high}.{low},fd00:96::{240 + high}:{low}"})


async def in_force(world, number, patience, tail):
    """Waits until connections meet the snapshot of this number; tail() tells what kproxy said last."""
    end = time.monotonic() + patience
    for family in (4, 6):
        address = marker(number).address("cluster-ip", family)
        while True:
            with Client(world["a2"], family, None, "tcp", address, 80) as client:
                seen = await client.connect(0.1)
            if seen.host == "a1":
                break
            if time.monotonic() > end:
                raise Failed(f"snapshot {number} is not in force after {patience:.0f} s (IPv{family}: {seen}); {tail()}")
            await asyncio.sleep(0.01)

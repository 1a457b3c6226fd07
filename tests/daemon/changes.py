"""What changes beside the snapshot while kproxy runs: its configuration, and the node's addresses."""

import asyncio
import json
import os
import shutil
import time

import topology
from daemon import PATIENCE_SECONDS, SYNCED
from namespaces import run
from node import CONFIGURATION, frontends, get, service
from program import Failed
from traffic import Traffic

METRICS = 10249
UPDATED = "content of the proxy server's configuration file was updated"
NEW_ADDRESSES = "10.104.0.77", "fd00:104::77"


def web():
    return service("web", 1, "a1,a2", node_port="")


async def ends(node, daemon, how, before):
    """kproxy ends with status 1 and says why; its rules are what they were."""
    try:
        await asyncio.wait_for(daemon.reader, PATIENCE_SECONDS)
    except asyncio.TimeoutError:
        raise Failed(f"{how}: kproxy goes on; {daemon.tail()}") from None
    node.expect(daemon.process.returncode == 1, f"{how}: exit status {daemon.process.returncode}")
    node.expect(daemon.matching(f"^E.*{UPDATED}"), f"{how}: the log does not say why: {daemon.tail()}")
    node.expect(await node.listed("table", "inet", "kproxy") == before, f"{how}: the rules are others")
    async with Traffic(node.world, "a3", frontends(web())) as traffic:
        await traffic.more(20)
    node.expect_none(f"{how}: {problem}" for problem in traffic.problems({"a1:8080", "a2:8080"}))


async def configuration_written(node):
    """The configuration is written in place, or replaced by rename: kproxy ends, and the rules stay (CFG-51)"""
    node.write([web()])
    for how in ("in place", "by rename"):
        daemon = await node.start()
        before = await node.listed("table", "inet", "kproxy")
        target = node.configuration if how == "in place" else node.folder / "options.new"
        target.write_text(f"{CONFIGURATION}# {how}\n")
        target.rename(node.configuration)
        await ends(node, daemon, how, before)


async def configuration_switched(node):
    """A ConfigMap is switched: what can change while kproxy runs does, and /configz shows it; for all else kproxy ends
    A wrong one changes nothing, and rules stay (BEYOND-17)."""
    volume = node.folder / "volume"
    volume.mkdir()

    def publish(n, more=""):
        dated = volume / f"..2025_01_0{n}"
        dated.mkdir()
        (dated / "options.yaml").write_text(CONFIGURATION + more)
        os.symlink(dated.name, volume / "..data_tmp")
        os.rename(volume / "..data_tmp", volume / "..data")
        if n > 1:
            shutil.rmtree(volume / f"..2025_01_0{n - 1}")

    async def periods():
        status, text = await get(node.namespace, METRICS, "/configz")
        if status != 200:
            raise Failed(f"/configz: {status} {text}")
        nftables = json.loads(text)["kubeproxy.config.k8s.io"]["nftables"]
        return nftables["minSyncPeriod"], nftables["syncPeriod"]

    publish(1)
    os.symlink("..data/options.yaml", volume / "options.yaml")
    node.configuration = volume / "options.yaml"
    node.write([web()])
    daemon = await node.start()
    first = await periods()
    node.expect(first == ("0s", "30s"), f"/configz at first: {first}")

    publish(2, "nftables: {minSyncPeriod: 2s, syncPeriod: 20s}\n")
    await daemon.line("The changed configuration is in force")
    node.expect(await periods() == ("2s", "20s"), f"/configz after the change: {await periods()}")
    times = []
    for number in (2, 3):
        since = len(daemon.lines)
        node.write([web(), service(f"other-{number}", number, "a1")])
        await daemon.line(SYNCED, since)
        times.append(time.monotonic())
    node.expect(times[1] - times[0] > 1.5, f"two changes are {times[1] - times[0]:.1f} s apart, less than minSyncPeriod")

    since = len(daemon.lines)
    publish(3, "mode: [nftables\n")
    await daemon.line("^E.*The changed configuration is wrong; the one in force stays", since)
    node.expect(daemon.running and await periods() == ("2s", "20s"), f"after a wrong one: {daemon.tail()}")

    before = await node.listed("table", "inet", "kproxy")
    publish(4, "iptables: {masqueradeAll: true}\nnftables: {masqueradeAll: true}\n")
    await ends(node, daemon, "what takes a new start", before)


async def address_added(node):
    """Node ports that every local address accepts are accepted at an address that is added later, too (NP-04)"""
    node.configuration.write_text(CONFIGURATION + "nodePortAddresses: [0.0.0.0/0, '::/0']\n")
    node.write([web()])
    daemon = await node.start()
    added = [(address, web().node_port(80)) for address in NEW_ADDRESSES]
    table, lines = await node.listed("table", "inet", "kproxy"), len(daemon.lines)

    def change(what):
        for address in NEW_ADDRESSES:
            flags = ["nodad"] if ":" in address and what == "add" else []
            run(["ip", "-n", node.namespace.name, "address", what, topology.width(address), "dev", "lo", *flags])

    change("add")
    try:
        for sender in ("client", "a3"):
            async with Traffic(node.world, sender, added) as traffic:
                await traffic.more(20)
            node.expect_none(f"{sender}: {problem}" for problem in traffic.problems({"a1:8080", "a2:8080"}))
    finally:
        change("delete")
    node.expect(await node.listed("table", "inet", "kproxy") == table and not daemon.matching("^[EW]", lines),
                f"nothing had to be changed for it: {daemon.tail()}")


TESTS = [configuration_written, configuration_switched, address_added]

"""A newer nft is used on the same machine: its tables do not disturb kproxy, nor ours any nft."""

import functools
import json

import debian
from daemon import number
from node import Skipped, service
from program import Failed

# How a newer nft describes any set of plain types in the kernel, Debian 12's nft dies of.
FOREIGN = """
table inet newer {
    set addresses {
        type ipv4_addr
        elements = { 192.0.2.1, 192.0.2.2 }
    }
    map verdicts {
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = { 192.0.2.1 . tcp . 80 : drop }
    }
    chain unused {
        ip daddr . meta l4proto . th dport vmap @verdicts
        ip daddr { 192.0.2.3, 192.0.2.4 } counter
    }
}
"""
DIES = "v1.0.6 "  # of that


@functools.cache
def outcome():
    """The newer nft, or why there is none."""
    try:
        return debian.Newer("nftables", "nft")
    except (debian.Unreachable, debian.Broken) as reason:
        return reason


def prepare():
    """Fetches it, which takes as long as the network takes, and is none of a test's time."""
    outcome()


def newer_nft():
    one = outcome()
    if isinstance(one, debian.Newer):
        return one
    if isinstance(one, debian.Broken):
        raise Failed(f"there is a newer nft, but: {one}")
    raise Skipped(f"NOT TESTED, since there is no newer nft here: {one}")


def services():
    return [service("web", 1, "a1,a2,b1", vip="", node_port="", ranges="203.0.113.0/24"),
            service("empty", 2, "", vip=""),
            service("local", 3, "a1,b1", vip="", etp="Local", itp="Local"),
            service("sticky", 4, "a1,a2,b1,b2", affinity="600", vip=""),
            service("udp", 5, "a2,b3", protocols="tcp,udp,sctp")]


async def beside_a_foreign_table(node):
    """With a table that makes Debian 12's nft die: kproxy starts, updates, verifies, repairs, restarts
    (BEYOND-12)"""
    newer = newer_nft()
    loaded = await node.run(*newer.command, "-f", "-", text=FOREIGN)
    node.expect(loaded.status == 0, f"the newer nft: {loaded.errors}")
    listed = (await node.run(*newer.command, "list", "table", "inet", "newer")).output
    node.expect("192.0.2.4" in listed, f"the newer nft does not list its own table: {listed[:300]}")
    system = await node.run("nft", "list", "ruleset")
    version = (await node.run("nft", "--version")).output
    node.expect(system.status < 0 or DIES not in version, f"the test's table does no harm any more: {system.output[:300]}")
    node.note(f"{newer.version}; beside its table the system's nft " +
              (f"dies of signal {-system.status}" if system.status < 0 else f"exits with {system.status}"))

    node.write(services())
    daemon = await node.start()
    await node.in_force()
    await node.expect_verified("after the start")
    since = len(daemon.lines)
    node.write([service("web", 1, "a2,b1,b2", vip=""), *services()[1:]])
    await node.in_force()
    node.expect(not daemon.matching("^E", since), f"logged: {daemon.matching('^E', since)}")
    await node.expect_verified("after an update", 10)
    removed = await node.run(*newer.command, "flush", "map", "inet", "kproxy", "services4")
    node.expect(removed.status == 0, f"the newer nft: {removed.errors}")
    await node.in_force()
    await node.expect_verified("after a repair", 2)
    status, _ = await daemon.stop()
    node.expect(status == 0, f"exit status {status}: {daemon.tail()}")
    daemon = await node.start()
    line = daemon.matching("Synced with what the kernel had")[0]
    node.expect(number(line, "inserted") == number(line, "erased") == 0, f"after a restart: {line}")
    await daemon.stop()
    once = await node.kproxy(*node.settings(), "--once")
    node.expect(once.status == 0, f"--once: exit {once.status}: {once.errors}")
    cleanup = await node.kproxy("--cleanup")
    node.expect(cleanup.status == 0, f"--cleanup: exit {cleanup.status}: {cleanup.errors}")
    now = (await node.run(*newer.command, "list", "table", "inet", "newer")).output
    node.expect(now == listed, f"the foreign table is another now:\n{now}")


def canonical(listing):
    """What a listing in JSON says, whatever the order that the kernel's hash tables gave it."""
    said = []
    for entry in json.loads(listing)["nftables"]:
        (kind, content), = entry.items()
        if kind == "metainfo":
            continue
        content.pop("handle", None)
        if "elem" in content:
            content["elem"] = sorted(content["elem"], key=json.dumps)
        said.append((kind, content))
    rules = [one for one in said if one[0] == "rule"]  # their order counts
    rules.sort(key=lambda one: one[1]["chain"])
    return sorted((one for one in said if one[0] != "rule"), key=lambda one: (one[0], one[1].get("name"))) + rules


async def listings(node, programs, written_by):
    """Program -> what it lists of our table; each must do so without dying, as text and as JSON."""
    said = {}
    for name, command in programs.items():
        for words in (["list", "ruleset"], ["list", "table", "inet", "kproxy"], ["-j", "list", "table", "inet", "kproxy"]):
            ended = await node.run(*command, *words)
            listed = node.expect(ended.status == 0 and "services4" in ended.output,
                                 f"{name} {' '.join(words)}, what {written_by} has written: exit {ended.status}: "
                                 f"{ended.errors[:300]}")
        if listed:
            said[name] = canonical(ended.output)  # of the last, JSON
    return said


def first_difference(ours, theirs):
    for one, other in zip(ours, theirs):
        if one != other:
            if one[0] == other[0] and one[1].get("name") == other[1].get("name") and "elem" in one[1]:
                others = other[1].get("elem", [])
                missing = [element for element in one[1]["elem"] if element not in others]
                return f"{one[0]} {one[1].get('name')}: {str(missing[:2])[:400]} against {str(others[:2])[:400]}"
            return f"{str(one)[:400]} against {str(other)[:400]}"
    return f"{len(ours)} against {len(theirs)} objects"


def elements(said):
    """Name of a map or set -> its elements."""
    return {content["name"]: content.get("elem", []) for kind, content in said if kind in ("map", "set")}


async def our_table_listed(node):
    """Our table, written by kproxy or from its text: each nft lists it, and lists the same"""
    newer = newer_nft()
    programs = {"the system's nft": ["nft"], "the newer nft": newer.command}
    node.write(services())
    compiled = await node.run(node.options.kpcompile, "--config", node.configuration, node.snapshot)
    node.expect(compiled.status == 0, f"kpcompile: {compiled.errors}")
    daemon = await node.start()
    by_kproxy = await listings(node, programs, "kproxy")
    await daemon.stop()
    for loader, command in programs.items():
        await node.nft("delete table inet kproxy")
        loaded = await node.run(*command, "-f", "-", text=compiled.output)
        node.expect(loaded.status == 0, f"{loader} does not load the text: {loaded.errors[:300]}")
        # See FOREIGN: what a newer nft has loaded is for itself to list.
        listers = programs if loader == "the system's nft" else {loader: command}
        by_text = await listings(node, listers, f"the text, loaded by {loader},")
        for lister, said in by_text.items():
            ours = by_kproxy.get(lister)
            node.expect(said == ours, f"{lister} lists otherwise what {loader} loaded: "
                                      f"{first_difference(ours or [], said)}")
        if loader == "the system's nft":
            await node.expect_verified("what the system's nft loaded")
    if len(by_kproxy) == 2:
        one, other = (elements(said) for said in by_kproxy.values())
        node.expect(one == other, "the two list other elements: " + "; ".join(
            f"{name}: {str(one.get(name))[:200]} against {str(other.get(name))[:200]}"
            for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name))[:1200])
    node.note(newer.version)


TESTS = [beside_a_foreign_table, our_table_listed]

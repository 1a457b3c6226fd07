"""Privileges: what kproxy does not need it does not keep."""

import os
import pathlib

from operator_errors import NOBODY, answers, web

# capabilities(7)
DAC_READ_SEARCH, SETPCAP, NET_BIND_SERVICE, NET_ADMIN, SYS_RESOURCE = 2, 8, 10, 12, 24
SERVING = {DAC_READ_SEARCH, NET_BIND_SERVICE, NET_ADMIN}
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def capabilities(status):
    """{name of a set: its capabilities} and NoNewPrivs of a file /proc/.../status."""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    sets = {name: {bit for bit in range(64) if int(fields[name], 16) >> bit & 1} for name in SETS}
    return sets, fields["NoNewPrivs"] == "1"


def excess(status, kept, may_gain=False):
    """How a process differs from one that has exactly these capabilities, and its programs no more."""
    sets, gains_nothing = capabilities(status)
    wanted = {"CapInh": set(), "CapPrm": kept, "CapEff": kept, "CapBnd": kept, "CapAmb": set()}
    problems = [f"{name} is {sorted(sets[name])}, not {sorted(wanted[name])}" for name in SETS if sets[name] != wanted[name]]
    if gains_nothing == may_gain:
        problems.append(f"NoNewPrivs is {int(gains_nothing)}")
    return problems


def threads(pid):
    """The status of each."""
    return [path.read_text() for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]


def available():
    """What there is to keep: what root has here."""
    return capabilities(pathlib.Path("/proc/self/status").read_text())[0]["CapBnd"]


async def works(node, daemon, endpoints):
    """A change is followed, and a table that somebody removes comes back."""
    node.write([web(endpoints)])
    await node.in_force()
    await answers(node, *endpoints.split(","))
    await node.nft("delete table inet kproxy")
    await node.expect_verified("after the table was deleted", patience=10)


async def root(node):
    """Started as root with everything, kproxy keeps three capabilities in each thread, and works"""
    node.write([web("a1")])
    daemon = await node.start()
    statuses = threads(daemon.pid)
    node.expect(len(statuses) >= 2, f"there are {len(statuses)} threads, not the one that serves as well")
    for status in statuses:
        node.expect_none(excess(status, SERVING & available()))
    await works(node, daemon, "a2")
    node.expect(not daemon.matching("^[EF]"), f"errors are logged: {daemon.matching('^[EF]')[:3]}")


async def with_one(node):
    """Started with CAP_NET_ADMIN alone, as in a container, it works without a complaint"""
    node.write([web("a1")])
    wrapper = node.folder / "with-one"
    wrapper.write_text("#!/bin/sh\nexec setpriv --bounding-set=-all,+net_admin --inh-caps=-all "
                       f"{node.options.kproxy} \"$@\"\n")
    wrapper.chmod(0o755)
    program, node.options.kproxy = node.options.kproxy, str(wrapper)
    try:
        daemon = await node.start()
    finally:
        node.options.kproxy = program
    for status in threads(daemon.pid):
        node.expect_none(excess(status, {NET_ADMIN}))
    await works(node, daemon, "a2")
    node.expect(not daemon.matching("^[EF]"), f"errors are logged: {daemon.matching('^[EF]')[:3]}")


async def somebody_elses_files(node):
    """A snapshot that only somebody else may read is followed, and can be replaced by such a one"""
    def write(endpoints):
        new = node.folder / "snapshot.new"
        new.write_text(node.text([web(endpoints)]))
        new.chmod(0o600)
        os.chown(new, NOBODY, NOBODY)
        new.rename(node.snapshot)

    write("a1")
    daemon = await node.start()
    await answers(node, "a1")
    write("a2")
    await node.in_force()
    await answers(node, "a2")
    node.expect(not daemon.matching("^[EF]"), f"errors are logged: {daemon.matching('^[EF]')[:3]}")


TESTS = [root, with_one, somebody_elses_files]

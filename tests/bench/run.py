#!/usr/bin/env python3
"""The apply engine against its floor, and against nft.

  tests/bench/run.py BUILD                           a quick look: 1,000 Services x 5 endpoints
  tests/bench/run.py BUILD --sizes 1000x5,10000x5,30000x5,5000x50
  tests/bench/run.py BUILD --million                 also 60,000 x 17, a million elements

BUILD is the folder that cmake built into (a release build); its bench_apply, bench_floor,
generate_cluster, kproxy, kpcompile are used. Needs root; every program runs in a network namespace
of its own, and nothing else is touched.

The floor is a program that sends the same elements through raw netlink with nothing around it: in
the order of the text (elements, then rules), as a plain sender would, and in kproxy's own (rules
first), which the kernel takes faster. kproxy's time has its compiling in it. For
each size the floor and kproxy run in turn, and medians are compared. Times are CPU times of the
process, user and system together: the kernel does its part within the sender's system calls, so this
is the time that passes on a machine with nothing else to do, and it stays what it is where there is.
All run on one and the same CPU: they are not always equally fast.
Wall times are shown beside them. Bars that are not met are marked with "<-- over"; the exit status
is 0 all the same, since a busy machine proves nothing.

While any process on the machine listens to nf_tables notifications, in whatever network namespace
(`nft monitor`, a running kproxy), the kernel composes them for every commit, also in others: loads
take twice as long then, the floor's too.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


SETTLED_SECONDS = 2


def run(*command, stdin=None, stdout=subprocess.PIPE):
    """Runs a program to its end; its output, and what it used."""
    with subprocess.Popen(list(map(str, command)), stdin=stdin, stdout=stdout, text=True) as process:
        out = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit status {process.returncode}")
    used = {"cpu_ms": 1000 * (usage.ru_utime + usage.ru_stime), "peak_mb": usage.ru_maxrss / 1024}
    return out, used


def values(*command):
    """What a program reports, by name."""
    out, _ = run(*command)
    return {name: float(value) for name, value in map(str.split, out.splitlines())}


class Runs:
    """Several runs of one program: the median of each value."""

    def __init__(self):
        self.values = {}

    def add(self, values):
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def __getitem__(self, name):
        return statistics.median(self.values[name])

    def __contains__(self, name):
        return name in self.values


class Table:
    def __init__(self):
        self.rows = [("", "kproxy", "floor", "ratio", "bar", "wall")]

    def add(self, what, ours, floor="", ratio="", bar="", wall="", over=False):
        self.rows.append((what, ours, floor, ratio, bar + (" <-- over" if over else ""), wall))

    def show(self, title):
        widths = [max(len(row[i]) for row in self.rows) for i in range(6)]
        print(f"\n{title}")
        for row in self.rows:
            print("  " + row[0].ljust(widths[0]) + "".join(
                "  " + (cell.ljust(width) if i == 4 else cell.rjust(width))
                for i, (cell, width) in enumerate(zip(row, widths)) if i > 0).rstrip())


def time_text(ms):
    return f"{ms * 1000:.1f} us" if ms < 1 else f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def measure(build, folder, services, endpoints, repetitions, changes):
    """Runs floor and kproxy in turn."""
    recording = folder / "recording"
    size = ("--services", services, "--endpoints", endpoints)
    values(build / "bench_apply", *size, "--record", recording)
    floor, ours = Runs(), Runs()
    for _ in range(repetitions):
        floor.add(values(build / "bench_floor", recording, changes))
        ours.add(values(build / "bench_apply", *size, "--changes", changes))
    recording.unlink()
    return floor, ours


def compare(table, what, name, floor, ours, bar, limit_ms=None, limit_text="", floor_name=None):
    if f"{name}.cpu_ms" not in ours:
        return
    floor_name = floor_name or name
    mine, least = ours[f"{name}.cpu_ms"], floor[f"{floor_name}.cpu_ms"]
    ratio = mine / least
    over = bar is not None and ratio > bar or (limit_ms is not None and mine > limit_ms)
    table.add(what, time_text(mine), time_text(least), f"{ratio:.2f}",
              f"<= {bar}x{limit_text}" if bar else "",
              f"{time_text(ours[f'{name}.wall_ms'])} / {time_text(floor[f'{floor_name}.wall_ms'])}",
              over)


def report_size(services, endpoints, floor, ours):
    table = Table()
    compare(table, "first load, compiled, in the text's order", "first_load", floor, ours, 1.5,
            floor_name="first_load_as_text")
    compare(table, "  in kproxy's order", "first_load", floor, ours, None)
    table.add("  of which compiling", time_text(ours["compile.cpu_ms"]),
              wall=time_text(ours["compile.wall_ms"]))
    compare(table, "one endpoint changes", "endpoint_change", floor, ours, 2, 1, ", < 1 ms")
    table.add("  of which sending and waiting", "", wall=time_text(ours["endpoint_change.commit_ms"]))
    compare(table, "a verdict changes", "verdict_change", floor, ours, 1.5)
    barred = services * endpoints <= 150_000
    for name, what in ("verify", "verify"), ("restart", "restart, nothing changed"):
        limit = name == "verify" and barred
        table.add(what, time_text(ours[f"{name}.cpu_ms"]), wall=time_text(ours[f"{name}.wall_ms"]),
                  bar="< 500 ms" if limit else "",
                  over=limit and ours[f"{name}.cpu_ms"] >= 500)
    sent = ours["restart.sent"]
    table.add("  elements sent then", f"{sent:.0f}", bar="0", over=sent != 0)
    table.add("objects in memory", f"{ours['memory.objects']:.1f} MB")
    for name, what, bar in (("memory.peak", "  peak during first load", 96),
                            ("memory.loaded", "  after it", 64),
                            ("memory.verify", "  more during verify", 64)):
        table.add(what, f"{ours[name]:.1f} MB", bar=f"<= {bar} MB" if barred else "",
                  over=barred and ours[name] > bar)
    table.show(f"{services:,} Services x {endpoints} endpoints: {ours['elements']:,.0f} elements, "
               f"{len(ours.values['elements'])} runs")


def measure_nft(build, folder, services, endpoints):
    """`nft -f` of the same text."""
    text = folder / "ruleset.nft"
    values(build / "bench_apply", "--services", services, "--endpoints", endpoints, "--text", text)
    out, used = run("unshare", "-n", "nft", "-f", text)
    text.unlink()
    return used


def status_of(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) / 1024
            for name in ("VmRSS", "VmHWM")}


def measure_daemon(build, snapshot):
    """A running kproxy that has read the file: its memory."""
    log = tempfile.TemporaryFile("w+")
    daemon = subprocess.Popen(["unshare", "-n", build / "kproxy", "--snapshot", snapshot, "--node",
                               "worker-0", "--cluster-cidr", "100.64.0.0/10"], stderr=log)
    try:
        for _ in range(600):
            log.seek(0)
            if "Following" in log.read() or daemon.poll() is not None:
                break
            time.sleep(0.1)
        time.sleep(SETTLED_SECONDS)  # it has looked at the table once more
        return status_of(daemon.pid)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)


def report_programs(build, folder, services, endpoints):
    table = Table()
    used = measure_nft(build, folder, services, endpoints)
    table.add("nft -f of the same text", time_text(used["cpu_ms"]))
    table.add("  peak memory", f"{used['peak_mb']:.1f} MB")
    snapshot = folder / "cluster.json"
    with open(snapshot, "w") as file:
        run(build / "generate_cluster", "--services", services, "--endpoints", endpoints, "--nodes",
            100, stdout=file)
    with open(os.devnull, "w") as nowhere:
        _, used = run(build / "kpcompile", "--node", "worker-0", snapshot, stdout=nowhere)
    size = snapshot.stat().st_size / 1e6
    table.add(f"kpcompile of {size:.0f} MB of JSON", time_text(used["cpu_ms"]))
    table.add("  peak memory", f"{used['peak_mb']:.1f} MB")
    memory = measure_daemon(build, snapshot)
    barred = services * endpoints <= 150_000
    table.add("kproxy that follows this file", f"{memory['VmRSS']:.1f} MB",
              bar="<= 64 MB" if barred else "", over=barred and memory["VmRSS"] > 64)
    table.add("  its peak so far", f"{memory['VmHWM']:.1f} MB", bar="<= 96 MB" if barred else "",
              over=barred and memory["VmHWM"] > 96)
    snapshot.unlink()
    table.show(f"{services:,} x {endpoints}: programs")


def report_flatness(results):
    """One-endpoint change from the smallest to the largest size with as many endpoints."""
    changes = {services: ours["endpoint_change.cpu_ms"]
               for (services, endpoints), (_, ours) in results.items() if endpoints == 5}
    if len(changes) < 2:
        return
    table = Table()
    small, large = min(changes), max(changes)
    ratio = changes[large] / changes[small]
    table.add("one endpoint changes", time_text(changes[large]), time_text(changes[small]),
              f"{ratio:.2f}", "<= 2x", over=ratio > 2)
    table.show(f"{large:,} Services against {small:,} (in the floor's column)")


def find_programs(build):
    """The programs in one folder, wherever cmake put them."""
    folder = Path(tempfile.mkdtemp(prefix="kproxy-bench-"))
    for path in ("tests/bench/bench_apply", "tests/bench/bench_floor", "runtime/kproxy",
                 "tests/bench/generate_cluster", "compiler/kpcompile"):
        if not (build / path).is_file():
            sys.exit(f"{build / path} is not there: build it first")
        (folder / Path(path).name).symlink_to((build / path).resolve())
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--sizes", default="1000x5", help="SERVICESxENDPOINTS,...")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--changes", type=int, default=300, help="of each kind in each run")
    parser.add_argument("--million", action="store_true", help="also 60,000 x 17, once")
    parser.add_argument("--engine-only", action="store_true", help="without nft, kpcompile, kproxy")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs root: it makes network namespaces")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sizes = [tuple(map(int, size.split("x"))) for size in arguments.sizes.split(",")]

    build = find_programs(arguments.build)
    with tempfile.TemporaryDirectory(prefix="kproxy-bench-") as folder:
        folder = Path(folder)
        results = {}
        for services, endpoints in sizes:
            results[services, endpoints] = measure(build, folder, services, endpoints,
                                                   arguments.repetitions, arguments.changes)
            report_size(services, endpoints, *results[services, endpoints])
            sys.stdout.flush()
        report_flatness(results)
        if arguments.million:
            floor, ours = measure(build, folder, 60_000, 17, 1, arguments.changes)
            report_size(60_000, 17, floor, ours)
            print(f"  a million elements: {time_text(ours['first_load.cpu_ms'])}, bar 5 s")
        if not arguments.engine_only:
            report_programs(build, folder, *max(sizes, key=lambda size: size[0]))
    for link in build.iterdir():
        link.unlink()
    build.rmdir()


if __name__ == "__main__":
    main()

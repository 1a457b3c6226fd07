#!/usr/bin/env python3
"""Changes without end: what kproxy's memory, CPU and latency make of them.

  tests/bench/soak.py BUILD                       10,000 Services, 20 changes a second for a minute
  tests/bench/soak.py BUILD --minutes 10          or 60; drift of memory shows only then

kproxy follows the API server of tests/apiserver, at 10,000 Services x 5 endpoints. Endpoints get another
address, come and go, Services come and go, so many a second; then 5,000 slices change at once; then the
kernel is compared with what the server has. The clock of a change runs from the moment before its event is
handed to TLS until the kernel announces the transaction that has its address. Needs root; all happens in a
network namespace of its own.

BUILD is the folder that cmake built into (a release build). Memory is resident memory: after kproxy has
loaded everything, after the first changes (--settle seconds of them, in which buffers grow to their size),
and at the end. The exit status is 1 if a change was never seen, if memory has drifted by more than 1 % in
ten minutes or longer, or if the comparison finds a difference.
"""

import argparse
import copy
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / name) for name in ("packets", "daemon", "apiserver", "network")]

import latency
import runner
from namespaces import Namespaces
from process import cpu_seconds
from resources import RESOURCES
from server import ApiServer

KINDS = ("address",) * 6 + ("more", "fewer", "gone", "back")
MARKS = 1 << 16  # addresses 10.250.0.0/16, used in turn
BURST_SECONDS, LEAST_SETTLED = 120, 2.0
MOST_DRIFT, LONG_SECONDS = 0.01, 600
MOST_ENDPOINTS, FEWEST_ENDPOINTS = 10, 2
ROW_SECONDS = 60.0  # a row of the table
URGENT = -10  # other work on this machine comes second


def rss_kb(process):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])


class Changes:
    """What happens in the cluster."""

    def __init__(self, server, rng):
        self.server, self.rng, self.count = server, rng, 0
        self.slices = [json.loads(entry.whole(RESOURCES["endpointslices"]))
                       for entry in server.store.list("endpointslices")[1]]
        self.services = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in (
            json.loads(entry.whole(RESOURCES["services"])) for entry in server.store.list("services")[1])}
        self.gone = []  # slices of Services that are not there
        self.sent = {}  # mark -> version of the slice that has it, until it is seen
        self.versions = []

    def mark(self):
        self.count += 1
        return self.count % MARKS

    def put(self, one, mark):
        """Its first endpoint gets the marked address."""
        one["endpoints"][0]["addresses"] = [f"10.250.{mark >> 8}.{mark & 255}"]
        self.server.put(one)
        self.sent[mark] = self.server.store.version

    def in_force(self):
        """Marks that the cluster bears: where another change came at once, one is rightly never seen."""
        addresses = (end["addresses"][0].split(".") for one in self.slices for end in one["endpoints"])
        return {int(three) << 8 | int(four) for one, two, three, four in addresses if (one, two) == ("10", "250")}

    def service_of(self, one):
        metadata = one["metadata"]
        return self.services[metadata["namespace"], metadata["labels"]["kubernetes.io/service-name"]]

    def make(self, kind):
        """One change, of that kind where it can be."""
        if kind == "back" and self.gone:
            one = self.gone.pop(0)
            self.server.put(self.service_of(one))
            self.slices.append(one)
        else:
            one = self.rng.choice(self.slices)
        if kind == "gone":
            self.slices.remove(one)
            self.gone.append(one)
            self.server.delete(self.service_of(one), one)
            return
        if kind == "more" and len(one["endpoints"]) < MOST_ENDPOINTS:
            one["endpoints"].insert(0, copy.deepcopy(one["endpoints"][0]))
        elif kind == "fewer" and len(one["endpoints"]) > FEWEST_ENDPOINTS:
            one["endpoints"].pop()
        self.put(one, self.mark())

    def burst(self, count):
        for one in self.rng.sample(self.slices, min(count, len(self.slices))):
            self.put(one, self.mark())


class Watcher:
    """Matches what the kernel announces with what was changed."""

    def __init__(self, listener, process, changes):
        self.listener, self.process, self.changes = listener, process, changes
        self.delays, self.transactions, self.last = [], 0, 0.0

    def take(self):
        sent = self.changes.server.record.times_sent
        for at, process, marks in self.listener.take():
            if process != self.process:
                continue
            self.transactions += 1
            self.last = at
            for mark in marks:
                version = self.changes.sent.pop(mark, None)
                if version is not None:
                    self.delays.append(1000 * (at - sent["endpointslices", version]))
        self.listener.seen.clear()

    def settle(self, seconds):
        """Waits until everything has been seen, that long at most; what has not."""
        end = time.monotonic() + seconds
        while self.changes.sent and time.monotonic() < end:
            time.sleep(0.01)
            self.take()
        missing = self.changes.in_force() & self.changes.sent.keys()
        self.changes.sent.clear()
        return len(missing)

    def reset(self):
        self.delays, self.transactions = [], 0


def spread(delays):
    if not delays:
        return "-", "-", "-"
    return tuple(f"{value:.2f}" for value in (latency.percentile(delays, 0.5), latency.percentile(delays, 0.99),
                                              max(delays)))


def churn(changes, watcher, process, options, seconds, rows, began):
    """Changes for so long; CPU seconds, and all delays."""
    started, made, delays = time.monotonic(), 0, []
    cpu = row_cpu = cpu_seconds(process)
    row_began, end = started, started + seconds
    while (now := time.monotonic()) < end:
        while made < (now - started) * options.rate:
            changes.make(changes.rng.choice(KINDS))
            made += 1
        watcher.take()
        if now - row_began >= ROW_SECONDS or now + 0.02 >= end:
            used = cpu_seconds(process)
            rows.append((f"{now - began:.0f} s", *spread(watcher.delays), str(watcher.transactions),
                         f"{100 * (used - row_cpu) / (now - row_began):.2f} %", f"{rss_kb(process)} kB"))
            delays += watcher.delays
            watcher.reset()
            row_began, row_cpu = now, used
            if now + 0.02 >= end:
                break
        time.sleep(0.01)
    return made, cpu_seconds(process) - cpu, delays


def measure(server, namespace, folder, options):
    """Problems; prints the tables."""
    configuration, problems = folder / "options.yaml", []
    node = next(iter(server.store.list("nodes")[1])).key.strip("/")
    configuration.write_text(latency.CONFIGURATION % (node, server.kubeconfig(folder / "kubeconfig")))
    listener = latency.Listener(namespace)
    log = open(folder / "kproxy.log", "ab")
    kproxy = subprocess.Popen(namespace.command(options.build / "runtime/kproxy", "--config", configuration),
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        listener.quiet(kproxy.pid, LEAST_SETTLED, latency.LOAD_SECONDS)
        listener.seen.clear()
        loaded = rss_kb(kproxy.pid)
        changes = Changes(server, random.Random(options.seed))
        watcher = Watcher(listener, kproxy.pid, changes)
        rows = [("ms", "p50", "p99", "most", "transactions", "CPU", "resident")]
        began = time.monotonic()
        churn(changes, watcher, kproxy.pid, options, options.settle, rows, began)
        missing = watcher.settle(LEAST_SETTLED)
        watcher.reset()
        first = rss_kb(kproxy.pid)
        made, cpu, delays = churn(changes, watcher, kproxy.pid, options, 60 * options.minutes, rows, began)
        missing += watcher.settle(LEAST_SETTLED)
        delays += watcher.delays
        watcher.reset()
        last = rss_kb(kproxy.pid)
        latency.show(f"{options.rate:g} changes a second, from the event on the wire to the transaction:", rows)

        cpu_before, before = cpu_seconds(kproxy.pid), time.monotonic()
        changes.burst(options.burst)
        first_sent = min((server.record.times_sent.get(("endpointslices", version), float("inf"))
                          for version in changes.sent.values()), default=before)
        burst_missing = watcher.settle(BURST_SECONDS)
        burst = watcher.last - min(first_sent, watcher.last)
        burst_cpu = cpu_seconds(kproxy.pid) - cpu_before
        burst_rows = [("", "p50", "p99", "most", "transactions", "CPU", "all done after"),
                      ("ms", *spread(watcher.delays), str(watcher.transactions), f"{1000 * burst_cpu:.0f}",
                       f"{1000 * burst:.0f}")]
        latency.show(f"{options.burst} changes at once:", burst_rows)
        after_burst = rss_kb(kproxy.pid)

        snapshot = folder / "snapshot.json"
        snapshot.write_bytes(server.store.snapshot())
        verify = subprocess.run(namespace.command(options.build / "runtime/kproxy", "verify", "--snapshot", snapshot,
                                                  "--config", configuration), capture_output=True, text=True)
        seconds = 60 * options.minutes
        drift = (last - first) / first
        p50, p99, _ = spread(delays)
        everything = [("what", "value"),
                      ("changes", f"{made} in {seconds:.0f} s, {missing + burst_missing} never seen"),
                      ("p50, p99", f"{p50} ms, {p99} ms"),
                      ("CPU", f"{100 * cpu / seconds:.2f} % of a processor, {1000 * cpu / made:.2f} ms a change"),
                      ("resident, loaded", f"{loaded} kB"),
                      (f"  after {options.settle:.0f} s of changes", f"{first} kB"),
                      ("  at the end", f"{last} kB, drift {100 * drift:+.2f} %"),
                      ("  after the burst", f"{after_burst} kB"),
                      ("  most", f"{1024 * latency.peak_mb(kproxy.pid):.0f} kB"),
                      ("verify", (verify.stdout + verify.stderr).strip().splitlines()[-1])]
        latency.show("All in all:", everything)
        if missing + burst_missing:
            problems.append(f"{missing + burst_missing} changes were never seen in the kernel")
        if verify.returncode != 0:
            problems.append(f"verify exits with {verify.returncode}: {(verify.stdout + verify.stderr)[:1000]}")
        if seconds >= LONG_SECONDS and drift > MOST_DRIFT:
            problems.append(f"memory has grown by {100 * drift:.2f} %")
    finally:
        kproxy.send_signal(signal.SIGTERM)
        kproxy.wait(30)
        listener.close()
        log.close()
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--services", type=int, default=10000)
    parser.add_argument("--endpoints", type=int, default=5)
    parser.add_argument("--rate", type=float, default=20, help="changes a second (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--settle", type=float, default=15, help="seconds of changes before memory counts")
    parser.add_argument("--burst", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runner.prepare(options)
    os.nice(URGENT)
    with Namespaces("node") as made, tempfile.TemporaryDirectory(prefix="kproxy-soak-") as folder:
        namespace, folder = made["node"], Path(folder)
        namespace.configure(["link set lo up"])
        server = ApiServer(folder / "pki", namespace.socket)
        server.load(latency.generate(options.build, options.services, options.endpoints))
        print(f"{options.services} Services x {options.endpoints} endpoints", flush=True)
        with server:
            problems = measure(server, namespace, folder, options)
    for problem in problems:
        print(f"FAIL {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

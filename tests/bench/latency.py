#!/usr/bin/env python3
"""From an EndpointSlice event on the wire to the transaction that has it.

  tests/bench/latency.py BUILD                         1,000 Services x 5 endpoints, 200 changes
  tests/bench/latency.py BUILD --services 30000 --changes 1000

kproxy follows the API server of tests/apiserver, which has so many Services. Then endpoints change,
one at a time, so many a second: each gets an address of its own, and the clock runs from the moment
before the event is handed to TLS until the kernel announces the transaction in which an element bears
that address. This is done with default settings, where each change is applied at once, and with
kube-proxy's minSyncPeriod, where those within a second are merged. Needs root; all happens in a
network namespace of its own.

BUILD is the folder that cmake built into (a release build). Also shown: from the start of kproxy to
its first transaction's end, CPU time, and the most memory it ever had.
"""

import argparse
import json
import multiprocessing
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / name) for name in ("packets", "daemon", "apiserver", "network")]

import netlink
import runner
from namespaces import Namespaces
from process import cpu_seconds
from resources import RESOURCES
from server import ApiServer

MODES = (("default", ""), ("minSyncPeriod 1s", "nftables: {minSyncPeriod: 1s}\n"))
CONFIGURATION = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: %s
clusterCIDR: 10.0.0.0/9
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
clientConnection: {kubeconfig: %s}
"""
MARK = re.compile(rb"\x0a\xfa(..)", re.DOTALL)  # 10.250.x.y, which nobody else has
LOAD_SECONDS, SETTLED_SECONDS = 120, 2.0
NEWSETELEM, NEWGEN = netlink.SUBSYSTEM | netlink.NEWSETELEM, netlink.SUBSYSTEM | netlink.NEWGEN


def listen(namespace, ready, results):
    """In a process of its own, so that nobody else's work delays it: (time, process, numbers of marks
    in new elements) for each transaction, until nothing more is asked for."""
    sock = netlink.netlink_socket(namespace)
    sock.setblocking(True)
    sock.setsockopt(socket.SOL_SOCKET, netlink.SO_RCVBUFFORCE, 256 << 20)
    sock.bind((0, 0))
    sock.setsockopt(netlink.SOL_NETLINK, netlink.NETLINK_ADD_MEMBERSHIP, netlink.NFNLGRP_NFTABLES)
    ready.set()
    marks = []
    while True:
        data = sock.recv(1 << 18)
        now = time.monotonic()
        for kind, body, _ in netlink.messages(data):
            if kind == NEWSETELEM:
                marks += [int.from_bytes(mark, "big") for mark in MARK.findall(body)]
            elif kind == NEWGEN:
                process = struct.unpack("!I", netlink.attributes(body)[2])[0]
                results.send((now, process, marks))
                marks = []


class Listener:
    def __init__(self, namespace):
        ready = multiprocessing.Event()
        self.results, theirs = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=listen, args=(namespace, ready, theirs), daemon=True)
        self.process.start()
        if not ready.wait(10):
            sys.exit("latency.py: cannot listen to nf_tables")
        self.seen = []

    def take(self):
        while self.results.poll():
            self.seen.append(self.results.recv())
        return self.seen

    def quiet(self, process, seconds, patience):
        """Waits until that process has committed something, and then nothing for so long; its last."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            own = [one[0] for one in self.take() if one[1] == process]
            if own and time.monotonic() - own[-1] > seconds:
                return own[-1]
            time.sleep(0.05)
        sys.exit(f"latency.py: kproxy was not done within {patience} s")

    def close(self):
        self.process.kill()
        self.process.join()


def peak_mb(process):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024


def generate(build, services, endpoints):
    done = subprocess.run([build / "tests/bench/generate_cluster", "--services", str(services),
                           "--endpoints", str(endpoints)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["items"]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def change(server, slices, options, first):
    """Makes the changes; the version of each, by the number in its address."""
    versions, began = {}, time.monotonic()
    rng = random.Random(first)
    for n in range(options.changes):
        one = rng.choice(slices)
        number = first + n
        rng.choice(one["endpoints"])["addresses"] = [f"10.250.{number >> 8}.{number & 255}"]
        time.sleep(max(0.0, began + n / options.rate - time.monotonic()))
        server.put(one)
        versions[number] = server.store.version
    return versions


def measure(server, namespace, folder, settings, options, first):
    """A row of the table, and problems."""
    configuration = folder / "options.yaml"
    node = next(iter(server.store.list("nodes")[1])).key.strip("/")
    configuration.write_text(CONFIGURATION % (node, server.kubeconfig(folder / "kubeconfig")) + settings)
    slices = [json.loads(entry.whole(RESOURCES["endpointslices"])) for entry in server.store.list("endpointslices")[1]]
    slices = [one for one in slices if one["addressType"] == "IPv4" and one["endpoints"]]
    netlink.flush(namespace)
    listener = Listener(namespace)
    log = open(folder / "kproxy.log", "ab")
    began = time.monotonic()
    kproxy = subprocess.Popen(namespace.command(options.build / "runtime/kproxy", "--config", configuration),
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        loaded = listener.quiet(kproxy.pid, SETTLED_SECONDS, LOAD_SECONDS) - began
        peak, before = peak_mb(kproxy.pid), cpu_seconds(kproxy.pid)
        versions = change(server, slices, options, first)
        listener.quiet(kproxy.pid, SETTLED_SECONDS, LOAD_SECONDS)
        used = cpu_seconds(kproxy.pid) - before
        final = peak_mb(kproxy.pid)
        committed = {}
        transactions = [one for one in listener.take() if one[1] == kproxy.pid and one[0] > began + loaded]
        for at, _, marks in transactions:
            for mark in marks:
                committed.setdefault(mark, at)
    finally:
        kproxy.send_signal(signal.SIGTERM)
        kproxy.wait(10)
        listener.close()
        log.close()
    sent = server.record.times_sent
    delays = [1000 * (committed[number] - sent["endpointslices", version])
              for number, version in versions.items() if number in committed]
    # An address that another one replaced before it was in force is rightly never seen.
    row = (f"{loaded:.2f} s", f"{percentile(delays, 0.5):.2f}", f"{percentile(delays, 0.9):.2f}",
           f"{percentile(delays, 0.99):.2f}", f"{max(delays):.2f}", f"{len(transactions)}",
           f"{1000 * used / len(versions):.2f} ms", f"{peak:.1f} MB", f"{final:.1f} MB")
    return row, f"{len(versions) - len(delays)} of {len(versions)} changes were never seen" \
        if len(delays) < 0.95 * len(versions) else ""


def show(title, rows):
    print(title)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(f"{cell:<{width}}" if not column else f"{cell:>{width}}"
                               for column, (cell, width) in enumerate(zip(row, widths))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=5)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20, help="changes a second (default: %(default)s)")
    options = parser.parse_args()
    runner.prepare(options)
    failed = False
    with Namespaces("node") as made, tempfile.TemporaryDirectory(prefix="kproxy-latency-") as folder:
        namespace, folder = made["node"], Path(folder)
        namespace.configure(["link set lo up"])
        server = ApiServer(folder / "pki", namespace.socket)
        began = time.monotonic()
        server.load(generate(options.build, options.services, options.endpoints))
        size = sum(len(entry.item) for collection in server.store.collections.values()
                   for entry in collection.entries.values())
        print(f"{options.services} Services x {options.endpoints} endpoints, {size / 1e6:.0f} MB of JSON, "
              f"generated in {time.monotonic() - began:.0f} s; "
              f"{options.changes} changes, {options.rate:g} a second")
        rows = [("milliseconds", "load", "p50", "p90", "p99", "most", "transactions", "CPU/change", "peak, loaded",
                 "peak")]
        with server:
            for number, (mode, settings) in enumerate(MODES):
                row, problem = measure(server, namespace, folder, settings, options, 1 + number * options.changes)
                rows.append((mode, *row))
                if problem:
                    print(problem)
                    failed = True
        show("From the event on the wire to the transaction:", rows)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Asks kproxy and an independent reference where packets go in random clusters, and compares.

  mutants   the comparison finds references that are wrong in one rule, and makes one find small
  explain   `kpcompile explain` agrees about each packet of many clusters
  wire      `kproxy --once` loads some in a network namespace, one over the other, and real packets
            agree

Each cluster comes of a seed: those of the series 1 to 9 are the same in every run, those of the
tenth are new; its name is printed, and --series runs it again. A cluster with a disagreement is made
small and written to --failures, as a golden case without its ruleset.

Needs root, iproute2 and Python 3.11. Exit status 1 if anything disagrees.
"""

import argparse
import pathlib
import random
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / name) for name in ("golden", "network")]

import runner
from case import NodeFacts
from cluster import random_cluster, random_facts
from mutants import MUTANTS
from opinions import Explained, Files, Sent
from reference import Reference, address
from shrink import shrink
from topology import Topology

FIXED_SERIES = tuple(str(number) for number in range(1, 10))
CLUSTERS_FOR_A_MUTANT = 600
CLUSTERS_ON_A_NODE = 8
FLOWS_ON_THE_WIRE = 40
FAILURES_TOLD = 5  # then it ends
SHRINK_SECONDS = 60


def main():
    options = parse_arguments()
    runner.prepare(options, "kpcompile", "kproxy")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(options, pathlib.Path(folder))
        if not options.only:
            run.mutants()
        run.explain()
        run.wire()
    return 1 if run.failed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, metavar="N",
                        help="how many are explained (default: 10000)")
    parser.add_argument("--wire-seconds", type=float, metavar="S",
                        help="how long packets are sent (default: 40)")
    parser.add_argument("--long", action="store_true",
                        help="100000 clusters explained, and ten minutes of packets")
    parser.add_argument("--series", action="append", metavar="NAME",
                        help="instead of the usual ones; may be given again")
    parser.add_argument("--only", metavar="SEED", help="only this cluster, as a failure named it")
    parser.add_argument("--failures", type=pathlib.Path, metavar="DIR",
                        help="where small clusters that disagree are written")
    parser.add_argument("--kpcompile", default="kpcompile", metavar="PATH")
    parser.add_argument("--kproxy", default="kproxy", metavar="PATH")
    options = parser.parse_args()
    options.clusters = options.clusters if options.clusters is not None else (
        100_000 if options.long else 10_000)
    if options.wire_seconds is None:
        options.wire_seconds = 600 if options.long else 40
    options.series = options.series or [*FIXED_SERIES, f"{random.SystemRandom().getrandbits(40):x}"]
    return options


class Run:
    def __init__(self, options, folder):
        self.options, self.folder, self.failed = options, folder, 0
        self.explained = Explained(options.kpcompile, Files(folder))

    # --- Can it fail?

    def mutants(self):
        start, needed = time.monotonic(), []
        for mutant in MUTANTS:
            for number in range(CLUSTERS_FOR_A_MUTANT):
                cluster = random_cluster(f"mutants-{number}")
                expected = opinion(mutant, cluster.objects, cluster.options, cluster.flows)
                if expected != opinion(Reference, cluster.objects, cluster.options, cluster.flows):
                    found = self.explained.differences(cluster.objects, cluster.options, expected)
                    if found:
                        needed.append(number + 1)
                        break
            else:
                self.failed += 1
                print(f"FAIL {mutant.__name__}: not found in {CLUSTERS_FOR_A_MUTANT} clusters")
        if problem := self.shrunken_mutant():
            self.failed += 1
            print(f"FAIL {problem}")
        print(f"mutants: {len(needed)} of {len(MUTANTS)} wrong references found, the last of them"
              f" after {max(needed, default=0)} clusters  ({time.monotonic() - start:.1f} s)",
              flush=True)

    def shrunken_mutant(self):
        """What is wrong with how a find is made small; nothing if all is well."""
        mutant = MUTANTS[0]
        for number in range(CLUSTERS_FOR_A_MUTANT):
            cluster = random_cluster(f"mutants-{number}")
            found = self.differences(mutant, cluster)
            if found:
                break
        else:
            return "nothing to make small"
        objects, options = self.shrink(mutant, cluster, found[0].flow, self.explained)
        if not self.explained.differences(objects, options,
                                          opinion(mutant, objects, options, [found[0].flow])):
            return f"{cluster.seed} agrees once it is small"
        if len(objects) > 4:
            return f"{cluster.seed} is still {len(objects)} objects when it is small"
        return None

    # --- The comparisons

    def seeds(self):
        if self.options.only:
            return [self.options.only]
        series = self.options.series
        return [f"{series[n % len(series)]}-{n // len(series)}" for n in range(self.options.clusters)]

    def explain(self):
        start, flows, clusters = time.monotonic(), 0, 0
        for seed in self.seeds():
            cluster = random_cluster(seed)
            found = self.differences(Reference, cluster)
            clusters, flows = clusters + 1, flows + len(cluster.flows)
            if found:
                self.tell("explain", cluster, found, self.explained)
            if self.failed >= FAILURES_TOLD:
                break
        print(f"explain: {clusters} clusters, {flows} packets, series"
              f" {' '.join(self.options.series)}  ({time.monotonic() - start:.1f} s)", flush=True)

    def differences(self, reference, cluster):
        return self.explained.differences(
            cluster.objects, cluster.options,
            opinion(reference, cluster.objects, cluster.options, cluster.flows))

    def wire(self):
        """Nodes of the tenth series, or of the only one."""
        start, flows, clusters, nodes = time.monotonic(), 0, 0, 0
        series = self.options.series[-1]
        while (time.monotonic() - start < self.options.wire_seconds and self.failed < FAILURES_TOLD
               and not self.options.only):
            facts = random_facts(f"{series}-node-{nodes}")
            node = NodeFacts(tuple(a["address"] for a in facts.addresses), tuple(facts.pod_cidrs))
            with Topology(node, ("cni01", "cali1")) as topology:
                sent = Sent(self.options.kproxy, Files(self.folder), topology)
                for number in range(CLUSTERS_ON_A_NODE):
                    # Names of their own: who is remembered from the last one may not stay here.
                    cluster = random_cluster(f"{series}-wire-{nodes}-{number}", FLOWS_ON_THE_WIRE,
                                             facts, f"c{number}-")
                    cluster.flows = apart(cluster)
                    found = sent.differences(
                        cluster.objects, cluster.options,
                        opinion(Reference, cluster.objects, cluster.options, cluster.flows))
                    clusters, flows = clusters + 1, flows + len(cluster.flows)
                    if found:
                        self.tell("wire", cluster, found, Alone(self.options.kproxy, self.folder, node))
                    if time.monotonic() - start > self.options.wire_seconds:
                        break
            nodes += 1
        if clusters:
            print(f"wire: {clusters} clusters on {nodes} nodes, {flows} flows, series {series}"
                  f"  ({time.monotonic() - start:.1f} s)", flush=True)

    # --- What is found

    def tell(self, way, cluster, found, judge):
        self.failed += 1
        print(f"FAIL {way}: {cluster.seed}: {len(found)} of {len(cluster.flows)} packets")
        for difference in found[:3]:
            print("     " + str(difference).replace("\n", "\n     "))
        if self.options.failures:
            flow = found[0].flow
            objects, options = self.shrink(Reference, cluster, flow, judge)
            folder = self.options.failures / f"{way}-{cluster.seed}"
            Files(folder).write(objects, options, opinion(Reference, objects, options, [flow]), 4)
            print(f"     made small: {folder}")
        sys.stdout.flush()

    def shrink(self, reference, cluster, flow, judge):
        end = time.monotonic() + SHRINK_SECONDS

        def differs(objects, options):
            if time.monotonic() > end:
                return False
            try:
                return bool(judge.differences(objects, options,
                                              opinion(reference, objects, options, [flow])))
            except (RuntimeError, KeyError, IndexError):
                return False  # one of the two cannot read it any more

        return shrink(cluster.objects, cluster.options, differs)


class Alone:
    """As Sent, in a namespace that has seen no other cluster."""

    def __init__(self, kproxy, folder, node):
        self.kproxy, self.folder, self.node = kproxy, folder, node

    def differences(self, objects, options, expected):
        with Topology(self.node, ("cni01", "cali1")) as topology:
            return Sent(self.kproxy, Files(self.folder), topology).differences(
                objects, options, expected)


def opinion(reference, objects, options, flows):
    """Pairs of a flow and where the reference has it go."""
    believed = reference(objects, options)
    return [(flow, believed.outcome(flow)) for flow in flows]


def apart(cluster):
    """The flows that can be told from each other on the wire. What a client has by affinity shows in
    its next flow to the same Service port: only one flow of each network to each. Other clients of
    that network are sent along, and must fare alike: none where source ranges tell them apart, or
    where the client is an endpoint itself.
    """
    reference = Reference(cluster.objects, cluster.options)
    kept, taken = [], set()
    for flow in cluster.flows:
        if flow.source in ("127.0.0.1", "::1"):
            continue  # no packet socket sends from there
        if reference.outcome(flow).endswith("sticky"):
            served = reference.service_port_of(flow)
            place = flow.source.rpartition(":" if ":" in flow.source else ".")[0], served.name
            if place in taken or served.ranges is not None or any(
                    address(flow.source) == e.address for e in served.cluster + served.local):
                continue
            taken.add(place)
        kept.append(flow)
    return kept


if __name__ == "__main__":
    sys.exit(main())

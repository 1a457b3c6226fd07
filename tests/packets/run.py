#!/usr/bin/env python3
"""Sends real packets through a real kernel that kproxy has programmed, and compares what comes of
them with tables of cases (scenarios/*.txt; README.md tells how to read them). Needs root and
iproute2; makes its own network namespaces and removes them."""

import argparse
import asyncio
import collections
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "network"))

import cluster
import marker
import namespaces
import neighbours
import program
import runner
import servers
import topology
from checks import Checks
from scenario import Mistake, Scenario

READY_SECONDS = 15
MOST_PROBLEMS = 3  # to show of a case


class Run:
    """One scenario in its own world."""

    def __init__(self, scenario, options, world, folder):
        self.scenario, self.world, self.folder = scenario, world, folder
        self.program = (program.Nft(options.kpcompile, world["node-a"], folder) if options.via == "nft"
                        else program.Kproxy(options.kproxy, world["node-a"], folder))
        self.explain = program.Explain(options.kpcompile, folder) if options.explain else None
        self.checks = Checks(world, self.explain)
        self.results = []  # (Case, problems)
        self.stage_count = 0

    async def run(self):
        # Pods serve what Services lead to; hosts serve the frontends' own ports, too, so that they
        # answer where no rule applies.
        pods, others = self.scenario.ports()
        running = [servers.Servers(host, self.world[host], pods if host in topology.PODS else others)
                   for host in ("node-a", "node-b", "client", "beyond", *topology.PODS)]
        (self.folder / "options.yaml").write_text(self.scenario.options)
        before = self.addresses()
        try:
            for stage in self.scenario.stages:
                await self.act(stage)
                await self.check(stage.cases)
            await self.check_node(before)
        finally:
            try:
                await self.program.stop()
            finally:
                self.checks.close()
                for server in running:
                    server.close()

    async def check_node(self, before):
        """PKT-18: frontends are none of its addresses, and it does not tell its links that they were."""
        if self.addresses() != before:
            raise program.Failed("the node's addresses have changed")
        own = {address for pair in topology.ADDRESSES.values() for address in pair}
        frontends = {address for service in self.scenario.stages[-1].services.values()
                     for address in service.frontends()} - own
        for host, gateway in (("a3", "node-a.gateway"), ("client", "node-a")):
            told = await neighbours.answered(self.world[host], "eth0", topology.ADDRESSES[host],
                                             topology.ADDRESSES[gateway], sorted(frontends))
            if told:
                raise program.Failed(f"the node tells {host} that it has {' '.join(sorted(told))}")

    def addresses(self):
        return namespaces.run(["ip", "-n", self.world["node-a"].name, "-oneline", "address"])

    async def act(self, stage):
        if stage.restart:
            await self.program.stop()
        if stage.change or stage.restart:
            self.stage_count += 1
            self.write(stage)
            await self.program.apply()
            await marker.in_force(self.world, self.stage_count, READY_SECONDS, self.program.tail)
        await asyncio.sleep(stage.wait)

    def write(self, stage):
        text = cluster.snapshot([*stage.services.values(), marker.marker(self.stage_count)], stage.service_cidrs)
        new = self.folder / "snapshot.new"
        new.write_text(text)
        new.rename(self.folder / "snapshot.json")
        if self.explain:
            self.explain.forget()

    async def check(self, cases):
        """Cases of one Service, protocol and family one after the other, all else at once."""
        groups = collections.defaultdict(list)
        for case in cases:
            subject = case.service.name if case.service else case.target
            groups[subject, case.protocol, case.family].append(case)

        async def in_turn(group):
            for case in group:
                self.results.append((case, await self.checks.check(case)))

        await asyncio.gather(*(in_turn(group) for group in groups.values()))


def report(scenario, results, verbose):
    """Lines of a table: all rows if verbose, else those that failed."""
    rows = collections.defaultdict(list)
    for case, problems in results:
        rows[case.line, case.text, case.clauses].append((case, problems))
    for (line, text, clauses), checked in sorted(rows.items()):
        failed = [(case, problems) for case, problems in checked if problems]
        if failed or verbose:
            print(f"  {'FAIL' if failed else 'ok  '} {line:4}  {text:90}  {clauses}")
        for case, problems in failed:
            counted = list(collections.Counter(problems).items())
            for problem, times in counted[:MOST_PROBLEMS]:
                print(f"             {case}: {problem}" + (f" ({times} times)" if times > 1 else ""))
            if len(counted) > MOST_PROBLEMS:
                print(f"             ... and {len(counted) - MOST_PROBLEMS} more")


async def run_scenario(scenario, options):
    """(passed, failed)"""
    started, failure = time.monotonic(), None
    with tempfile.TemporaryDirectory(prefix="kproxy-packets-") as folder, topology.Topology() as world:
        run = Run(scenario, options, world, pathlib.Path(folder))
        try:
            await run.run()
        except program.Failed as error:
            failure = str(error)
        if options.keep:
            print(f"kept: {folder}; ip netns exec {world['node-a'].name} ...; end with Enter", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
    failed = sum(1 for _, problems in run.results if problems) + (failure is not None)
    passed = sum(1 for _, problems in run.results if not problems)
    print(f"{scenario.name}: {passed} passed, {failed} failed ({time.monotonic() - started:.1f} s)")
    if failure:
        print(f"  FAIL {failure}")
    report(scenario, run.results, options.verbose)
    sys.stdout.flush()
    return passed, failed


async def run_all(scenarios, options):
    passed = failed = 0
    for scenario in scenarios:
        if scenario.needs_daemon and options.via == "nft":
            print(f"{scenario.name}: left out, needs the daemon")
            continue
        more = await run_scenario(scenario, options)
        passed, failed = passed + more[0], failed + more[1]
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kproxy", default="kproxy", help="the daemon (default: from PATH)")
    parser.add_argument("--kpcompile", default="kpcompile", help="the compiler (default: from PATH)")
    parser.add_argument("--scenario", action="append", help="only this one, by name; may be repeated")
    parser.add_argument("--via", choices=["kproxy", "nft"], default="kproxy",
                        help="nft: load what kpcompile prints, instead of running kproxy")
    parser.add_argument("--explain", action=argparse.BooleanOptionalAction, default=True,
                        help="compare `kpcompile explain` with the tables, too")
    parser.add_argument("--keep", action="store_true",
                        help="wait for Enter after each scenario, to look around")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="show all rows, not just those that fail")
    return parser.parse_args()


def main():
    options = arguments()
    needed = {"kproxy" if options.via == "kproxy" else "kpcompile"} | ({"kpcompile"} if options.explain else set())
    runner.prepare(options, *sorted(needed))
    try:
        paths = sorted((HERE / "scenarios").glob("*.txt"))
        names = [path.stem for path in paths]
        for name in options.scenario or []:
            if name not in names:
                sys.exit(f"run.py: no scenario {name}; there are: {' '.join(names)}")
        chosen = [Scenario(path) for path in paths if not options.scenario or path.stem in options.scenario]
    except Mistake as mistake:
        sys.exit(f"run.py: {mistake}")
    sys.exit(0 if runner.run(run_all(chosen, options)) else 1)


if __name__ == "__main__":
    main()

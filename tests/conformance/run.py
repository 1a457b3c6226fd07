#!/usr/bin/env python3
"""Checks kproxy against a corpus of expected packet outcomes, two ways.

  explain   `kpcompile explain` agrees about each flow of each case, however its objects are written
  wire      `kproxy --once` loads the case in a network namespace that is made after its node, over
            what the state before left there, and real packets agree

differences.txt lists the flows that go elsewhere on purpose. One that does not is a failure too. What
is refused is refused otherwise by kproxy, on purpose as well: as many TCP flows are told of at the end.

Needs root, iproute2 and Python 3.11. Exit status 1 if anything disagrees.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / name) for name in ("golden", "network")]

import runner
from case import parse_flow
from corpus import read_cases
from topology import Topology
from wire import Wire


def main():
    options = parse_arguments()
    runner.prepare(options, "kpcompile", "kproxy")
    tests = read_cases(HERE)
    differences = read_differences(HERE / "differences.txt", tests)
    passed = failed = flows = resets = 0
    for states in tests:
        if not any(word in states[0].test for word in options.case):
            continue
        start = time.monotonic()
        problems = check(states, differences, options)
        passed, failed = passed + (not problems), failed + bool(problems)
        flows += sum(len(state.flows) for state in states)
        resets += sum(is_reset(flow) for state in states for flow in state.flows)
        seconds = time.monotonic() - start
        print(f"{'FAIL' if problems else 'ok  '} {states[0].test}  ({seconds:.1f} s)")
        for problem in problems:
            print("     " + problem.replace("\n", "\n     "))
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed; {flows} flows; different on purpose: {len(differences)} that go"
          f" elsewhere, {resets} that are refused with a TCP reset where kube-proxy sends ICMP port unreachable")
    return 0 if passed and not failed else 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", default=[], metavar="WORD",
                        help="only tests with this in their name; may be given again")
    parser.add_argument("--kpcompile", default="kpcompile", metavar="PATH")
    parser.add_argument("--kproxy", default="kproxy", metavar="PATH")
    options = parser.parse_args()
    options.case = options.case or [""]
    return options


def read_differences(path, tests):
    """(case, flow's FROM and TO) -> the line that tells of it."""
    flows = {(state.name, key_of(flow)) for states in tests for state in states for flow in state.flows}
    differences = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if columns := re.split(r"\s{2,}", line.split("#")[0].strip()):
            if columns == [""]:
                continue
            if len(columns) != 3 or tuple(columns[:2]) not in flows:
                sys.exit(f"{path}:{number}: is not CASE  FLOW  REASON, of a flow there is: {line}")
            differences[tuple(columns[:2])] = number
    return differences


def is_reset(flow):
    return flow.text.split()[2] == "reset"


def key_of(flow):
    return " ".join(flow.text.split()[:2])


def check(states, differences, options):
    problems = []
    with tempfile.TemporaryDirectory() as folder, Topology(states[0].node) as topology:
        files = Files(pathlib.Path(folder))
        packets = Wire(topology)  # one for all states, as conntrack knows the ports of earlier ones
        for state in states:
            files.options.write_text(state.options, encoding="utf-8")
            for step in (explain, wire):
                try:
                    for way, found in step(state, files, packets, options):
                        problems += judge(state, way, found, differences)
                except (OSError, RuntimeError, ValueError, KeyError) as error:
                    problems.append(f"{state.name}: {step.__name__}: {error}")
    return problems


class Files:
    """What the programs read."""

    def __init__(self, folder):
        self.snapshot, self.options = folder / "snapshot.json", folder / "options.yaml"
        self.flows = folder / "flows.txt"

    def write_objects(self, objects):
        self.snapshot.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
                                 encoding="utf-8")


def explain(state, files, _, options):
    """For each way that the objects are written: {flow: what is wrong with it}."""
    files.flows.write_text("".join(flow.text + "\n" for flow in state.flows), encoding="utf-8")
    for form, objects in state.objects.items():
        files.write_objects(objects)
        arguments = [options.kpcompile, "explain", "--config", files.options, files.snapshot,
                     "--flows", files.flows]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        if len(lines) != len(state.flows):
            raise RuntimeError(done.stderr.strip())
        actual = [(flow, parse_flow(flow.line, line)) for flow, line in zip(state.flows, lines)]
        yield f"explain ({form})", {flow: f"explained as {' '.join(told.text.split()[2:])}"
                                    for flow, told in actual if told.expected != flow.expected}


def wire(state, files, packets, options):
    files.write_objects(state.objects["objects"])
    packets.topology.execute([options.kproxy, "--config", str(files.options), "--snapshot",
                              str(files.snapshot), "--once"])
    yield "wire", dict(packets.check(state.flows))


def judge(state, way, found, differences):
    problems = []
    for flow in state.flows:
        different = differences.get((state.name, key_of(flow)))
        if flow in found and different is None:
            problems.append(f"{state.name}: {way}: {flow.text}\n  {found[flow]}")
        elif flow not in found and different is not None:
            problems.append(f"{state.name}: {way}: {flow.text}\n  is as expected: "
                            f"differences.txt:{different} is out of date")
    return problems


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Checks the reviewed cases in golden/ three ways.

  compile   the snapshot compiles to ruleset.nft, byte for byte, in whatever order its objects come,
            and the kernel would take it
  explain   `kpcompile explain` agrees with flows.txt
  kernel    loaded as text by nft, or over netlink by kproxy, the kernel holds the same
  wire      the ruleset is loaded in a network namespace that is made after the snapshot's node, and
            real packets agree with flows.txt

Needs root, iproute2, nftables and Python 3.11. Exit status 1 if anything disagrees.
"""

import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "network"))

import runner
from case import Case
from topology import Topology
from wire import Wire

# Of others, who mark what comes and look at what leaves (NFT-06). The mark has kproxy's own bit not
# set, as nobody else may use that.
MARKS = """table inet marks {
  chain comes { type filter hook prerouting priority -300; meta mark set 0xabcd8765; }
  chain begins { type filter hook output priority -300; meta mark set 0xabcd8765; }
  chain leaves { type filter hook postrouting priority 200; meta mark != 0xabcd8765 counter; }
}"""
GOLDEN = HERE.parents[1] / "golden"
SCTP_MODULE = pathlib.Path("/sys/module/sctp")  # SVC-06: is not loaded by what is done here


def main():
    options = parse_arguments()
    runner.prepare(options, "kpcompile", "kproxy")
    if SCTP_MODULE.exists():
        print("NOT TESTED: that no case has the kernel load the module sctp, as it is loaded already")
    passed = failed = 0
    for folder in select_cases(options.golden, options.case):
        case = Case(folder)
        start = time.monotonic()
        problems = check(case, options)
        passed, failed = passed + (not problems), failed + bool(problems)
        seconds = time.monotonic() - start
        print(f"{'FAIL' if problems else 'ok  '} {case.name}  ({seconds:.1f} s)")
        for problem in problems:
            print("     " + problem.replace("\n", "\n     "))
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", default=[], metavar="NN",
                        help="only this case, by number or name; may be given again")
    parser.add_argument("--golden", type=pathlib.Path, default=GOLDEN, metavar="DIR",
                        help="where the cases are (default: %(default)s)")
    parser.add_argument("--kpcompile", default="kpcompile", metavar="PATH")
    parser.add_argument("--kproxy", default="kproxy", metavar="PATH")
    parser.add_argument("--via", choices=("nft", "kproxy"), default="nft",
                        help="who loads the ruleset: `nft -f ruleset.nft` (default), or `kproxy"
                        " --once` from the snapshot")
    return parser.parse_args()


def select_cases(golden, wanted):
    folders = sorted(f for f in golden.iterdir() if (f / "snapshot.json").exists())
    if not wanted:
        return folders
    chosen = [f for f in folders if f.name in wanted or f.name.split("-")[0] in wanted]
    if len(chosen) < len(set(wanted)):
        sys.exit(f"tests/golden/run.py: not all of {', '.join(wanted)} are cases in {golden}")
    return chosen


def check(case, options):
    problems, loaded = [], SCTP_MODULE.exists()
    for step in (check_compile, check_explain, check_wire):
        try:
            problems += step(case, options)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            problems.append(f"{step.__name__.removeprefix('check_')}: {error}")
    if SCTP_MODULE.exists() and not loaded:
        problems.append("the kernel module sctp was loaded meanwhile")
    return problems


def call(*arguments):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False)


def check_compile(case, options):
    compiled = call(options.kpcompile, "--config", case.options, case.snapshot)
    if compiled.returncode:
        return [f"compile: {compiled.stderr.strip()}"]
    problems = []
    if not case.ruleset.exists():
        problems.append("compile: ruleset.nft is missing (tests/golden/update.py makes it)")
    elif compiled.stdout != case.ruleset.read_text(encoding="utf-8"):
        problems.append("compile: not ruleset.nft (tests/golden/update.py --dry-run shows why)")
    taken = call(options.kpcompile, "--config", case.options, case.snapshot, "--check",
                 "--out", os.devnull)
    if taken.returncode:
        problems.append(f"compile: {taken.stderr.strip()}")
    with tempfile.TemporaryDirectory() as folder:
        objects = case.objects()
        random.Random(case.name).shuffle(objects["items"])
        shuffled = pathlib.Path(folder) / "snapshot.json"
        shuffled.write_text(json.dumps(objects), encoding="utf-8")
        again = call(options.kpcompile, "--config", case.options, shuffled)
        if again.stdout != compiled.stdout:
            problems.append("compile: another order of the objects gives another ruleset")
    return problems


def check_explain(case, options):
    explained = call(options.kpcompile, "explain", "--config", case.options, case.snapshot,
                     "--flows", case.flows_file)
    # Complaints about the snapshot come on the same stream, and are no difference.
    return [f"explain: {explained.stderr.strip()}"] if explained.returncode else []


def check_wire(case, options):
    flows = case.flows()
    interfaces = [flow.interface for flow in flows if flow.interface]
    with Topology(case.node(), interfaces) as topology:
        if options.via == "nft":
            topology.execute(["nft", "-f", str(case.ruleset)])
        else:
            topology.execute([options.kproxy, "--config", str(case.options), "--snapshot",
                              str(case.snapshot), "--once"])
        topology.execute(["nft", MARKS])
        # Whoever loaded it, the kernel holds the same, set by set and rule by rule.
        problems = []
        verified = call(*topology.node.command(options.kproxy, "verify"),
                        "--config", case.options, "--snapshot", case.snapshot)
        if verified.returncode:
            problems.append(f"kernel: {verified.stdout.strip()} {verified.stderr.strip()}")
        problems += [f"wire: flows.txt:{flow.line}: {flow.text}\n      {problem}"
                     for flow, problem in Wire(topology).check(flows)]
        if lost := lost_marks(topology.execute(["nft", "list", "table", "inet", "marks"])):
            problems.append(f"wire: {lost} packets left with other marks than others had given them")
        return problems


def lost_marks(listing):
    return int(re.search(r"counter packets (\d+)", listing)[1])


if __name__ == "__main__":
    sys.exit(main())

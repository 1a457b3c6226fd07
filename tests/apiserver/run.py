#!/usr/bin/env python3
"""kproxy against an API server that does all that a real one does, and much that it should not. Each
subject is a file beside this one; its SCENARIOS are functions, whose first line says what must hold.
Several run at a time, each in a network namespace of its own. Needs root, iproute2, nft and openssl."""

import argparse
import asyncio
import os
import pathlib
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / name) for name in ("packets", "daemon", "network")]

import runner

import broken
import following
import hostility
import privileged
import recorded_changes
import refusing
import stage
from program import Failed
from stalls import Stalls

SUBJECTS = [broken, refusing, recorded_changes, following, hostility, privileged]  # those that wait longest first
SCENARIO_SECONDS = 150
AT_A_TIME = 6  # they mostly wait
STALL_SECONDS = 0.3  # much of it is about seconds: what fails while the machine stood still so long is played again


async def play(scenario, options):
    """(checks, seconds)"""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kproxy-apiserver-") as folder:
        async with stage.Stage(options, folder) as one:
            try:
                await asyncio.wait_for(scenario(one), SCENARIO_SECONDS)
                one.conclude()
            except Failed as failed:
                one.check(False, "the scenario goes on to its end", failed)
            except asyncio.TimeoutError:
                one.check(False, f"the scenario ends within {SCENARIO_SECONDS} s")
            except Exception:  # something is not as the scenario takes for granted
                one.check(False, "the scenario goes on to its end", traceback.format_exc())
            return one.checks, time.monotonic() - began


def report(subject, scenario, checks, seconds, options):
    if all(fine for fine, _, _ in checks) and not options.verbose:
        return
    print(f"{subject}.{scenario.__name__} ({seconds:.1f} s): {' '.join(scenario.__doc__.split())}")
    for fine, what, detail in checks:
        print(f"  {'ok  ' if fine else 'FAIL'} {what}{': ' if detail else ''}{detail}")
    sys.stdout.flush()


async def run_all(chosen, options):
    places, counts, stalls = asyncio.Semaphore(options.jobs), {True: 0, False: 0}, Stalls()

    async def one(subject, scenario):
        async with places:
            began = time.monotonic()
            checks, seconds = await play(scenario, options)
            stall = stalls.longest_since(began)
            if stall > STALL_SECONDS and not all(fine for fine, _, _ in checks):
                report(subject, scenario, checks, seconds, options)
                print(f"  the machine stood still for {stall:.1f} s: once more")
                checks, seconds = await play(scenario, options)
        for fine, _, _ in checks:
            counts[fine] += 1
        report(subject, scenario, checks, seconds, options)
    await asyncio.gather(*(one(subject, scenario) for subject, scenario in chosen))
    print(f"{len(chosen)} scenarios: {counts[True]} checks passed, {counts[False]} failed")
    return counts[False] == 0 and counts[True] > 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kproxy", default="kproxy", help="the daemon (default: from PATH)")
    parser.add_argument("--kpcompile", default="kpcompile", help="the compiler (default: from PATH)")
    parser.add_argument("--hurry", required=True, help="the library hurry.cc, with which minutes pass in seconds")
    parser.add_argument("--jobs", type=int, default=AT_A_TIME, help="scenarios at a time (default: %(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell of scenarios that pass, too")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only this subject, or this scenario")
    return parser.parse_args()


def main():
    options = arguments()
    runner.prepare(options, "kproxy", "kpcompile")
    chosen = [(subject.__name__, scenario) for subject in SUBJECTS for scenario in subject.SCENARIOS
              if not options.names or {subject.__name__, scenario.__name__} & set(options.names)]
    options.hurry = os.path.abspath(options.hurry)
    if not os.path.isfile(options.hurry):
        sys.exit(f"run.py: there is no {options.hurry}")
    if not chosen:
        sys.exit(f"run.py: there is no scenario {' '.join(options.names)}")
    sys.exit(0 if runner.run(run_all(chosen, options)) else 1)


if __name__ == "__main__":
    main()

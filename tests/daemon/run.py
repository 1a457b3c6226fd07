#!/usr/bin/env python3
"""kproxy as a process, and what may be done to it: killed, restarted, tampered with, misused. Each
subject is a file beside this one; its TESTS are functions, whose first line says what must hold; what
takes its time beforehand is its prepare(), and its by_chance() tells of which problems once is no proof.
Needs root, iproute2 and nft; makes its own network namespaces and removes them."""

import argparse
import asyncio
import os
import pathlib
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / name) for name in ("packets", "network")]

import program
import runner
import topology

import atomic
import changes
import command_line
import connections
import kill
import migration
import newer_nft
import node
import operator_errors
import privileges
import restart
import takeover
import tamper

SUBJECTS = [command_line, operator_errors, changes, connections, privileges, restart, atomic, kill, tamper, takeover,
            migration, newer_nft]
TEST_SECONDS, LONG_TEST_SECONDS = 120, 1800
MOST_PROBLEMS = 12  # to show of a test


async def run_test(test, world, options):
    """(problems, notes)"""
    with tempfile.TemporaryDirectory(prefix="kproxy-daemon-") as folder:
        os.chmod(folder, 0o755)  # for tests that run as somebody else
        async with node.Node(world, options, pathlib.Path(folder)) as one:
            try:
                await asyncio.wait_for(test(one), LONG_TEST_SECONDS if options.long else TEST_SECONDS)
            except program.Failed as failed:
                one.problems.append(str(failed))
            except asyncio.TimeoutError:
                one.problems.append("the test did not end in time")
            except node.Skipped:
                raise
            except Exception:  # something is not as the test takes for granted
                one.problems.append(traceback.format_exc())
            return one.problems, one.notes


async def run_all(subjects, options):
    passed = failed = 0
    for subject in subjects:
        tests = [test for test in subject.TESTS if not options.test or test.__name__ in options.test]
        if not tests:
            continue
        print(f"{subject.__name__}: {subject.__doc__.splitlines()[0]}", flush=True)
        if hasattr(subject, "prepare"):
            await asyncio.to_thread(subject.prepare)
        with topology.Topology() as world:
            for test in tests:
                began, title = time.monotonic(), test.__doc__.splitlines()[0]
                try:
                    problems, notes = await run_test(test, world, options)
                    if hasattr(subject, "by_chance") and subject.by_chance(problems):
                        print(f"  again {test.__name__}: {problems[0]}", flush=True)
                        problems, notes = await run_test(test, world, options)
                except node.Skipped as skipped:
                    print(f"  SKIPPED {test.__name__}: {title}\n          {skipped}", flush=True)
                    continue
                passed, failed = passed + (not problems), failed + bool(problems)
                if problems or options.verbose:
                    print(f"  {'FAIL' if problems else 'ok  '} {test.__name__}: {title} ({time.monotonic() - began:.1f} s)")
                for problem in problems[:MOST_PROBLEMS]:
                    print(f"         {problem}")
                if len(problems) > MOST_PROBLEMS:
                    print(f"         ... and {len(problems) - MOST_PROBLEMS} more")
                for note in notes if options.verbose else []:
                    print(f"       - {note}")
                sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kproxy", default="kproxy", help="the daemon (default: from PATH)")
    parser.add_argument("--kpcompile", default="kpcompile", help="the compiler (default: from PATH)")
    parser.add_argument("--subject", action="append", choices=[one.__name__ for one in SUBJECTS],
                        help="only this one; may be repeated")
    parser.add_argument("--test", action="append", help="only the test of this name; may be repeated")
    parser.add_argument("--long", action="store_true", help="the full counts; takes about half an hour")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell of tests that pass, and what was measured")
    return parser.parse_args()


def main():
    options = arguments()
    runner.prepare(options, "kproxy", "kpcompile")
    chosen = [one for one in SUBJECTS if not options.subject or one.__name__ in options.subject]
    sys.exit(0 if runner.run(run_all(chosen, options)) else 1)


if __name__ == "__main__":
    main()

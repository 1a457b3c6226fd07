#!/usr/bin/env python3
"""Rewrites ruleset.nft of the reviewed cases in golden/, on purpose, and shows what changes.

Nothing else is touched: flows.txt is written by people, from what is to happen. Review the
difference before it is committed; tests/golden/run.py says whether the flows still hold.
With --dry-run the difference is shown and nothing is written. Exit status 1 if a case does not
compile, or, with --dry-run, if there is a difference.
"""

import argparse
import difflib
import pathlib
import subprocess
import sys

from case import Case

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help="numbers or names of cases; none: all")
    parser.add_argument("--kpcompile", default="kpcompile", metavar="PATH")
    parser.add_argument("--golden", type=pathlib.Path, default=GOLDEN, metavar="DIR",
                        help="where the cases are (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()

    changed = failed = 0
    for folder in sorted(f for f in options.golden.iterdir() if (f / "snapshot.json").exists()):
        number = folder.name.split("-")[0]
        if options.case and folder.name not in options.case and number not in options.case:
            continue
        case = Case(folder)
        compiled = subprocess.run(
            [options.kpcompile, "--config", case.options, case.snapshot],
            capture_output=True, text=True, check=False)
        if compiled.returncode:
            print(f"{folder.name}: {compiled.stderr.strip()}", file=sys.stderr)
            failed += 1
            continue
        before = case.ruleset.read_text(encoding="utf-8") if case.ruleset.exists() else ""
        if before == compiled.stdout:
            continue
        changed += 1
        name = f"{folder.name}/ruleset.nft"
        sys.stdout.writelines(difflib.unified_diff(
            before.splitlines(keepends=True), compiled.stdout.splitlines(keepends=True),
            name, name))
        if not options.dry_run:
            case.ruleset.write_text(compiled.stdout, encoding="utf-8")
    print(f"{changed} {'would change' if options.dry_run else 'changed'}, {failed} failed")
    return 1 if failed or (options.dry_run and changed) else 0


if __name__ == "__main__":
    sys.exit(main())

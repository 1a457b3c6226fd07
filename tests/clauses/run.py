#!/usr/bin/env python3
"""Which clauses of the behavioural contract have a test.

A clause is tested where a file of tests/ or golden/ cites its id: "PKT-05", or as one of
"PKT-01..10", "EP-09 to EP-13", "SEL-02/03". Clauses marked M that no test cites are excused, with
the reason, in not_tested.txt. That a test cites a clause does not mean that the clause holds:
different.txt has those that kproxy differs from on purpose, with what the tests check instead.

Exit status 1 if a clause marked M is neither tested nor excused, if an excused one is tested, if one
that differs is not, or if something that is no clause is cited or listed.
"""

import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUFFIXES = {".cc", ".h", ".py", ".txt"}
MARKS = {"M": "parity with kube-proxy", "B": "better than that"}


def main():
    options = parse_arguments()
    marks = dict(read_lines(HERE / "clauses.txt"))
    excused = dict(read_lines(HERE / "not_tested.txt"))
    different = dict(read_lines(HERE / "different.txt"))
    cited = find_citations({clause.partition("-")[0] for clause in marks})
    if options.table:
        for clause, mark in marks.items():
            told = ", ".join(sorted(cited.get(clause, ()))) or excused.get(clause, "")
            if clause in different:
                told += f"  (differs: {different[clause]})"
            print(f"{clause:9}  {mark}  {told}".rstrip())
    for mark, meaning in MARKS.items():
        clauses = [clause for clause in marks if marks[clause] == mark]
        untested = [clause for clause in clauses if clause not in cited]
        differing = [clause for clause in clauses if clause in different]
        print(f"{mark}, {meaning}: {len(clauses)} clauses, {len(clauses) - len(untested)} tested,"
              f" {len(differing)} of these different on purpose, {len(excused.keys() & set(untested))} excused."
              f" Without a test: {' '.join(untested) or 'none'}. Different: {' '.join(differing) or 'none'}")
    problems = judge(marks, excused, different, cited)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="tell of each clause where it is tested")
    return parser.parse_args()


def read_lines(path):
    """(first word, rest) of each line that is not a comment."""
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def find_citations(prefixes):
    """Clause -> the files that cite it."""
    identifier = f"(?:{'|'.join(sorted(prefixes))})-"
    pattern = re.compile(rf"\b({identifier})(\d\d)"
                         rf"(?:(?:\.\.| to )(?:\1)?(?P<last>\d\d)|(?P<more>(?:/\d\d)+))?(?!\d)")
    cited = {}
    for folder in ("tests", "golden"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in SUFFIXES or HERE in path.parents:
                continue
            for found in pattern.finditer(path.read_text(encoding="utf-8")):
                for clause in expand(found):
                    cited.setdefault(clause, set()).add(str(path.relative_to(ROOT)))
    return cited


def expand(found):
    prefix, first = found[1], int(found[2])
    numbers = range(first, int(found["last"] or first) + 1)
    others = (found["more"] or "").split("/")[1:]
    return [f"{prefix}{int(number):02}" for number in (*numbers, *others)]


def judge(marks, excused, different, cited):
    problems = []
    for clause, mark in marks.items():
        if mark == "M" and clause not in cited and clause not in excused:
            problems.append(f"{clause}: no test cites it, and not_tested.txt does not say why")
        if clause in cited and clause in excused:
            problems.append(f"{clause}: not_tested.txt excuses it, but {min(cited[clause])} cites it")
    for clause in sorted(cited.keys() - marks.keys()):
        problems.append(f"{clause}: is no clause, but {min(cited[clause])} cites it")
    for clause in sorted(excused.keys() - marks.keys()):
        problems.append(f"{clause}: is no clause, but not_tested.txt excuses it")
    for clause, told in different.items():
        reason, _, instead = told.partition("Tests: ")
        if clause not in marks:
            problems.append(f"{clause}: is no clause, but different.txt has it")
        elif clause not in cited:
            problems.append(f"{clause}: no test cites it; if it differs, that belongs into not_tested.txt")
        if not reason or not instead:
            problems.append(f"{clause}: different.txt does not say why, and after \"Tests: \" what is checked instead")
    problems += [f"{clause}: not_tested.txt gives no reason" for clause in excused if not excused[clause]]
    return problems


if __name__ == "__main__":
    sys.exit(main())

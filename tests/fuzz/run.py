#!/usr/bin/env python3
"""Feeds every parser with what nobody would write: runs the fuzzers, which contrib/presets/sanitize.cmake builds.

Each begins with inputs that make sense, which are in the repository anyway or, as root, are what the
kernel answers, and goes on to change them. --seconds says how long each may; with --corpus FOLDER, what
it finds worth keeping is kept there, and a later run begins with it. Exit status 1 if one found
something: the input is then named, and `fuzz_NAME FILE` shows it again."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOLDEN, RECORDED = ROOT / "golden", HERE.parent / "apiserver" / "recorded"
LONGEST_INPUT = 65536
MOST_EVENTS = 300
SLOW_SECONDS, MEGABYTES = 20, 2048


def files(folder, pattern):
    return [path.read_bytes() for path in sorted(folder.glob(pattern))]


def bodies():
    """What an API server answered, without the lines about it, and without those of HTTP."""
    found = []
    for text in files(RECORDED, "*.txt"):
        head, _, body = text.partition(b"\r\n\r\n")
        found.append(without_chunks(body) if b"\n# body below: raw" in head else body)
    if any(body.startswith((b"#", b"HTTP/")) for body in found):
        sys.exit("run.py: a recorded answer is not told from the lines about it")
    return found


def without_chunks(body):
    """A body of which each piece stands behind its length."""
    pieces = []
    while body:
        length, _, body = body.partition(b"\r\n")
        pieces.append(body[:int(length, 16)])
        body = body[len(pieces[-1]) + 2:]
    return b"".join(pieces)


def events():
    return (HERE.parent / "data" / "churn.jsonl").read_bytes().splitlines(keepends=True)[:MOST_EVENTS]


def literals(path, opening='R"(', closing=')"'):
    """Texts that a test of the parser holds."""
    pieces = path.read_text().split(opening)[1:]
    return [piece.split(closing)[0].encode() for piece in pieces]


def kubeconfigs():
    """Those of its test, put together as there."""
    whole = (b'{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":'
             b'{"cluster":"k","user":"u"}}],"clusters":[{"name":"k","cluster":%s}],"users":[{"name":"u","user":%s}]}')
    texts = [text for text in literals(HERE.parent / "runtime" / "kubeconfig_test.cc") if text.startswith(b"{")]
    return [whole % (text, b"{}") for text in texts] + [whole % (b'{"server":"https://a"}', text) for text in texts]


def requests():
    heads = ["GET /healthz HTTP/1.1\nHost: a\n\n",
             "PUT /debug/flags/v HTTP/1.1\nHost: a\nContent-Length: 1\n\n4",
             "GET /metrics?verbose HTTP/1.1\nHost: a\nAccept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\n"
             "Accept-Encoding: gzip;q=1.0, identity\nConnection: close\n\n",
             "POST http://a/x%20y HTTP/1.0\nExpect: 100-continue\nContent-Length: 3\nConnection: keep-alive\n\nabcGET / HTTP/1.1\n\n"]
    return [head.replace("\n", "\r\n").encode() for head in heads] + [heads[0].encode()]


CREDENTIAL = (b'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":'
              b'{"token":"t","expirationTimestamp":"2030-01-02T03:04:05Z","clientCertificateData":"c","clientKeyData":"k"}}')
FLOWS = (b"# FROM TO OUTCOME\n203.0.113.9 tcp:198.51.100.20:80 10.244.1.21:8080 plain\n"
         b"10.244.1.21@eth0 udp:10.96.0.20:53 10.244.1.21:5353 10.244.2.22:5353 sticky\n"
         b"2001:db8:2::1 tcp:[2001:db8:1::20]:80 drop\nfd00:10:244::1 icmp:[fd00:10:96::20] untouched\n"
         b"10.244.1.21 sctp:10.96.0.50:80 unreachable\n")


def pairs(texts):
    """Each with the next, in one."""
    return [before + b"\n---\n" + after for before, after in zip(texts, texts[1:] + texts[:1])]


# The first inputs of each fuzzer.
SEEDS = {
    "kubernetes_json": lambda: files(GOLDEN, "*/snapshot.json"),
    "configuration": lambda: files(GOLDEN, "*/options.yaml") + literals(HERE.parent / "compiler" / "configuration_test.cc"),
    "kubeconfig": kubeconfigs,
    "ruleset_text": lambda: pairs(files(GOLDEN, "*/ruleset.nft")),
    "flows": lambda: files(GOLDEN, "*/flows.txt") + [FLOWS],
    "watch_stream": lambda: bodies() + events(),
    "credential_plugin": lambda: [CREDENTIAL],
    "read_back": lambda: [],
    "conntrack": lambda: [],
    "http_request": requests,
}
RECORDED_SEEDS = ("read_back", "conntrack")


def record(build, folder):
    """What the kernel answers to questions about a table and about flows, in a network namespace."""
    if os.geteuid() != 0:
        print("not root: read_back and conntrack begin with nothing")
        return
    subprocess.run(["unshare", "--net", "/bin/sh", "-c", 'ip link set lo up && exec "$0" "$1"', build / "fuzz_record", folder],
                   check=True)


def fuzz(name, options, scratch):
    """(whether nothing was found, what to say)"""
    seeds, found = scratch / name / "seeds", scratch / name / "found"
    corpus = options.corpus / name if options.corpus else scratch / name / "corpus"
    for folder in (seeds, found, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    texts = SEEDS[name]() + files(scratch, f"{name}.*")
    for number, text in enumerate(texts):
        (seeds / str(number)).write_bytes(text)
    began = time.monotonic()
    ended = subprocess.run(
        [options.build / f"fuzz_{name}", corpus, seeds, f"-max_total_time={options.seconds}", f"-max_len={LONGEST_INPUT}",
         f"-timeout={SLOW_SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={found}/", "-print_final_stats=1",
         "-reload=0", "-verbosity=1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        timeout=options.seconds + 300)
    runs = re.search(r"stat::number_of_executed_units: (\d+)", ended.stdout)
    covered = re.findall(r" cov: (\d+)", ended.stdout)
    said = f"{name}: {runs[1] if runs else '?'} inputs, {covered[-1] if covered else '?'} branches, {time.monotonic() - began:.0f} s"
    if ended.returncode == 0:
        return True, said
    kept = [pathlib.Path(shutil.copy(path, options.artifacts / f"{name}-{path.name}")) for path in found.iterdir()]
    tail = "\n".join(ended.stdout.splitlines()[-60:])
    return False, f"{tail}\n{said}: FOUND {' '.join(map(str, kept)) or 'something'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fuzzer", nargs="*", help="only these")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "sanitize" / "tests" / "fuzz",
                        help="where the fuzzers are")
    parser.add_argument("--seconds", type=int, default=5, help="for each fuzzer (default: 5)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many run at a time")
    parser.add_argument("--corpus", type=pathlib.Path, help="where inputs that are worth it are kept, for later runs")
    parser.add_argument("--artifacts", type=pathlib.Path, default=pathlib.Path.cwd(), help="where inputs go that found something")
    options = parser.parse_args()
    chosen = options.fuzzer or list(SEEDS)
    for name in chosen:
        if name not in SEEDS:
            sys.exit(f"run.py: there is no fuzzer {name}; there are {' '.join(SEEDS)}")
        if not (options.build / f"fuzz_{name}").exists():
            sys.exit(f"run.py: {options.build} has no fuzz_{name}; README.md there says how to build it")
    with tempfile.TemporaryDirectory(prefix="kproxy-fuzz-") as folder, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        scratch = pathlib.Path(folder)
        if set(chosen) & set(RECORDED_SEEDS):
            record(options.build, scratch)
        sound = True
        for fine, said in pool.map(lambda name: fuzz(name, options, scratch), chosen):
            sound = sound and fine
            print(said, flush=True)
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()

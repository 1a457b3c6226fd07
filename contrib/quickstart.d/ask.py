"""Sends requests and prints who answered: ask.py PREFIX REQUESTS EXPLAIN...

Each line of the file REQUESTS is one row: who asks (a namespace, without PREFIX), and what, as
`kpcompile explain` writes it, with a few words about it. EXPLAIN... is the command that says what
must come of it; a row that came out differently says so, and the exit status is then 1.
"""

import collections
import socket
import subprocess
import sys

import namespaces

TIMES = 12  # how often a row's request is sent
SECONDS = 1  # for an answer
HEADINGS = ("WHO ASKS", "WHERE", "", "WHO ANSWERED", "SOURCE SEEN", "")


def ask(kind, address):
    """(pod, source address seen), or what came instead."""
    with socket.socket(socket.AF_INET, kind) as client:
        client.settimeout(SECONDS)
        try:
            client.connect(address)
            if kind == socket.SOCK_DGRAM:
                client.send(b"who is there?")
            return tuple(client.recv(512).decode().split())
        except ConnectionRefusedError:
            return ("refused", "")
        except TimeoutError:
            return ("no answer", "")


def own_address(target):
    """The source address that the kernel takes for the way to there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(target)
        return probe.getsockname()[0]


def foresee(explain, client, what, owners):
    """What `kpcompile explain` says: ({pod: "plain" or "masq"}, the words)."""
    command = [*explain, "--from", client, "--to", what, "--brief"]
    said = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    pods = {}
    for group in said.removesuffix(" sticky").split(", "):
        *endpoints, manner = group.split()
        pods.update((owners[endpoint.partition(":")[0]], manner) for endpoint in endpoints)
    return pods, said


def is_foreseen(answer, client, owners, pods, said):
    pod, seen = answer
    if pod == "refused":
        return said in ("reset", "unreachable")
    if pod == "no answer":
        return said == "drop"
    return pod in pods and (seen == client if pods[pod] == "plain" else owners[seen] == "worker-1")


def row(prefix, asker, what, about, explain, owners):
    protocol, address, port = what.split(":")
    namespaces.enter(prefix + asker)
    target = (address, int(port))
    client = own_address(target)
    pods, said = foresee(explain, client, what, owners)
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    answers = [ask(kind, target) for _ in range(TIMES)]
    agrees = all(is_foreseen(answer, client, owners, pods, said) for answer in answers)
    counts = sorted(collections.Counter(pod for pod, _ in answers).items())
    seen = {}
    for source in sorted({source for _, source in answers if source}):
        seen.setdefault("its own" if owners[source] == asker else owners[source], []).append(source)
    return agrees, (asker, f"{protocol} {address}:{port}", about,
                    ", ".join(f"{count} {pod}" for pod, count in counts),
                    "; ".join(f"{owner}: {', '.join(sources)}" for owner, sources in seen.items()),
                    "" if agrees else f"EXPECTED {said}")


def main(prefix, requests, *explain):
    owners = namespaces.addresses(prefix)
    with open(requests, encoding="utf-8") as lines:
        wanted = [line.split(maxsplit=2) for line in lines if line.strip() and not line.startswith("#")]
    done = [row(prefix, asker, what, about.strip(), explain, owners) for asker, what, about in wanted]
    table = [HEADINGS, *(cells for _, cells in done)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
    agreed = sum(agrees for agrees, _ in done)
    print(f"{agreed} of {len(done)} are as kpcompile explain says they must be.")
    return 0 if agreed == len(done) else 1


sys.exit(main(*sys.argv[1:]))

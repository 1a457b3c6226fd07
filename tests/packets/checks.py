"""Carries out cases and judges what was seen."""

import asyncio
import collections
import re
import time

import topology
from clients import Client

QUIET_SECONDS = 0.35  # without an answer, when none is expected, is silence
PATIENCE_SECONDS = 4.0  # when one is
FEW, BATCH, MANY = 3, 8, 64  # tries


class Checks:
    """Remembers, over the stages of a scenario, connections that are held and who was given what."""

    def __init__(self, world, explain):
        self.world, self.explain = world, explain
        self.held = collections.defaultdict(list)  # connection() -> [(Client, Seen)]
        self.given = {}  # (source, Service, protocol, port, family) -> endpoint
        self.room = asyncio.Semaphore(48)

    def close(self):
        for connections in self.held.values():
            for client, _ in connections:
                client.sock.close()

    async def check(self, case):
        """A list of what is wrong with the case."""
        async with self.room:
            problems = await self.packets(case)
            if self.explain and case.outcome.kind not in ("the same", "still open", "moves"):
                problems += await self.explanation(case)
        return problems

    # --- packets

    async def packets(self, case):
        kind = case.outcome.kind
        if kind == "still open":
            return await self.still_open(case)
        if kind == "moves":
            return await self.moves(case)
        if kind == "the same" or case.outcome.one:
            return await self.sticky(case)
        if kind == "endpoints":
            return await self.spread(case)
        patience = QUIET_SECONDS if kind == "drop" else PATIENCE_SECONDS
        seen = await asyncio.gather(*(self.attempt(case, source, patience)
                                      for source in self.sources(case)[:FEW]))
        wanted = {"drop": "silence", "reject": "reset" if case.protocol == "tcp" else "unreachable"}.get(kind)
        if wanted:
            return [f"saw {one}, not {wanted}" for one in unique(seen) if one.kind != wanted]
        if case.protocol == "icmp":
            return [f"saw {one}, not an echo" for one in unique(seen) if one.kind != "echo"]
        return [problem for one in unique(seen)
                for problem in self.wrong_answer(case, one, {case.owner: False}, case.port)]

    def sources(self, case):
        if case.sender == "clients":
            return [pair[case.family == 6] for pair in topology.CLIENTS]
        return [case.source] * MANY

    async def attempt(self, case, source, patience=PATIENCE_SECONDS, hold=False):
        namespace = self.world[topology.host_of(case.sender)]
        client = Client(namespace, case.family, source, case.protocol, case.address, case.port)
        keep = False
        try:
            seen = await client.connect(patience)
            if hold and seen.kind == "answer":
                seen = await client.again(patience)
            if hold and seen.kind == "answer":
                keep = True
                self.held[self.connection(case)].append((client, seen))
        finally:
            if not keep:
                client.sock.close()
        return seen._replace(source_asked=source)

    def connection(self, case):
        return case.sender, case.target, case.protocol, case.family

    async def still_open(self, case):
        connections = self.held[self.connection(case)]
        if not connections:
            return ["no connection was held"]
        answers = await asyncio.gather(*(client.again(PATIENCE_SECONDS) for client, _ in connections))
        return unique(f"saw {now}, before {before}"
                      for now, (_, before) in zip(answers, connections) if now != before)

    async def moves(self, case):
        """What is held goes on sending until it meets who it should, in time."""
        connections, problems = self.held[self.connection(case)], []
        wanted = {"reject": "unreachable", "drop": "silence"}.get(case.outcome.to, case.outcome.to)
        if not connections:
            return ["no connection was held"]
        for index, (client, before) in enumerate(connections):
            end = time.monotonic() + PATIENCE_SECONDS
            while True:
                now = await client.again(QUIET_SECONDS)
                if wanted in (now.kind, now.host):
                    connections[index] = (client, now)
                    break
                if time.monotonic() > end:
                    problems.append(f"saw {now} after {PATIENCE_SECONDS:.0f} s, before {before}")
                    break
                await asyncio.sleep(0.02)
        return unique(problems)

    async def spread(self, case):
        """New connections until every endpoint has answered; of many clients, one of each."""
        wanted, seen = self.wanted(case), []
        sources = self.sources(case)
        enough = len(sources) if case.sender == "clients" else BATCH
        while sources and (len(seen) < enough or {one.host for one in seen} < set(wanted)):
            batch, sources = sources[:BATCH], sources[BATCH:]
            seen += await asyncio.gather(*(self.attempt(case, source) for source in batch))
            if any(one.kind != "answer" for one in seen):
                break
        if case.outcome.hold:
            seen.append(await self.attempt(case, self.sources(case)[0], hold=True))
        for one in seen:
            self.remember(case, one)
        problems = [problem for one in unique(seen)
                    for problem in self.wrong_answer(case, one, wanted, case.answering_port)]
        missing = set(wanted) - {one.host for one in seen}
        if missing and not problems:
            problems.append(f"never saw {' '.join(sorted(missing))} in {len(seen)} tries")
        masqueraded = [one for one in seen if wanted.get(one.host)]
        if len(masqueraded) >= BATCH and all(one.source_port_kept for one in masqueraded):
            problems.append("masqueraded, but the source port is kept")
        return problems

    async def sticky(self, case):
        """Connections one after the other, all of a client to the same endpoint."""
        every = self.sources(case)
        for source in every if case.sender == "clients" else every[:1]:
            key = self.key(case, source)
            wanted = self.wanted(case)
            if case.outcome.kind == "the same":
                if key not in self.given:
                    return ["nothing was seen yet that this could be the same as"]
                wanted = {self.given[key]: case.outcome.masqueraded}
            for _ in range(2 if case.sender == "clients" else BATCH):
                seen = await self.attempt(case, source, hold=case.outcome.hold)
                wrong = self.wrong_answer(case, seen, wanted, case.answering_port)
                if wrong:
                    return wrong
                self.remember(case, seen)
                wanted = {seen.host: wanted[seen.host]}
        return []

    def wanted(self, case):
        """Who may answer, and whether masqueraded. An address of a host answers as the host."""
        masquerade = case.outcome.masquerade
        return {topology.host_of(name): masqueraded for name, masqueraded in masquerade.items()}

    def key(self, case, source):
        return source, case.service.name, case.protocol, case.answering_port, case.family

    def remember(self, case, seen):
        if seen.kind == "answer" and case.service:
            self.given[self.key(case, seen.source_asked)] = seen.host

    def wrong_answer(self, case, seen, wanted, port):
        """`wanted`: endpoint -> whether masqueraded."""
        if seen.kind != "answer":
            return [f"saw {seen}, not an answer"]
        if seen.host not in wanted:
            return [f"{seen}: not one of {' '.join(sorted(wanted))}"]
        if seen.port != port:
            return [f"{seen}: not on port {port}"]
        if wanted[seen.host]:
            allowed = topology.masquerade_sources(seen.host)
            return [] if seen.source in allowed else [f"{seen}: not masqueraded"]
        if seen.source != seen.source_asked:
            return [f"{seen}: not the client's address {seen.source_asked}"]
        return []

    # --- explain

    async def explanation(self, case):
        said = await self.explain.ask(case.sender, self.sources(case)[0], case.protocol,
                                      case.address, case.port)
        wanted = self.wanted_explanation(case)
        return [] if read_explanation(said) == wanted else [f"explain says {said!r}"]

    def wanted_explanation(self, case):
        outcome = case.outcome
        if outcome.kind == "reject":
            return "reset" if case.protocol == "tcp" else "unreachable"
        if outcome.kind != "endpoints":
            return outcome.kind
        wanted = collections.defaultdict(set)
        for name, masqueraded in outcome.masquerade.items():
            address = topology.ADDRESSES[name][case.family == 6]
            address = f"[{address}]" if case.family == 6 else address
            wanted["masq" if masqueraded else "plain"].add(f"{address}:{case.answering_port}")
        return dict(wanted), case.service.sticky


def read_explanation(line):
    """"A B masq, C plain sticky" as ({"masq": {A, B}, "plain": {C}}, True)."""
    if line in ("reset", "unreachable", "drop", "untouched"):
        return line
    line, sticky = re.subn(r" sticky$", "", line)
    groups = collections.defaultdict(set)
    for group in line.split(", "):
        *endpoints, how = group.split() or [""]
        groups[how] |= set(endpoints)
    return dict(groups), bool(sticky)


def unique(seen):
    return list(dict.fromkeys(seen))

"""Reads a scenario: options, Services, and the table of cases. README.md tells the format."""

import dataclasses
import pathlib
import re

import cluster
from topology import ADDRESSES, PODS, host_of

PROTOCOLS = {"any": ("tcp", "udp", "sctp")} | {name: (name,) for name in ("tcp", "udp", "sctp", "icmp")}
FRONTENDS = ("vip", "external", "node-port")
SERVICE_CIDRS = ["10.96.0.0/16", "fd00:96::/64"]


class Mistake(Exception):
    """The scenario cannot be understood."""


@dataclasses.dataclass
class Outcome:
    kind: str  # "endpoints", "the same", "still open", "moves", "reject", "drop" or "untouched"
    masquerade: dict = dataclasses.field(default_factory=dict)  # endpoint -> bool
    one: bool = False  # always the same one of the endpoints
    hold: bool = False  # keep the last connection, for "still open"
    masqueraded: bool = False  # of "the same"
    to: str = ""  # of "moves": an endpoint, "reject" or "drop"


@dataclasses.dataclass
class Case:
    line: int
    text: str  # the line, its columns joined
    clauses: str
    sender: str
    protocol: str
    family: int
    target: str  # as written
    address: str
    port: int
    service: object  # cluster.Service, or nothing
    answering_port: int
    outcome: Outcome

    @property
    def source(self):
        if self.sender == "clients":
            return None  # many
        # From loopback's address to anywhere else nothing can be sent, and only from it to loopback.
        sender = "loopback" if self.address in ADDRESSES["loopback"] else self.sender
        return ADDRESSES[sender][self.family == 6]

    @property
    def owner(self):
        """Who answers where no rule applies: the host that has the address, or `beyond`."""
        for name, pair in ADDRESSES.items():
            if self.address in pair:
                return host_of(name)
        return "beyond"

    def __str__(self):
        address = f"[{self.address}]" if self.family == 6 else self.address
        port = "" if self.protocol == "icmp" else f":{self.port}"
        return f"{self.sender} {self.protocol} {address}{port}"


@dataclasses.dataclass
class Stage:
    """What is done, and then the cases that hold."""

    change: bool = False  # there are new services or service_cidrs
    restart: bool = False  # a new process, that finds the change when it starts
    wait: float = 0  # seconds, after all this
    services: dict = dataclasses.field(default_factory=dict)
    service_cidrs: list = dataclasses.field(default_factory=list)
    cases: list = dataclasses.field(default_factory=list)


class Scenario:
    def __init__(self, path):
        self.name = pathlib.Path(path).stem
        self.options = cluster.CONFIGURATION
        self.needs_daemon = False
        self.stages = []
        self.service_count = 0
        indented = False
        for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
            code = line.split("#")[0].rstrip()
            try:
                if indented and code.startswith(" "):
                    self.options += code[2:] + "\n"
                elif code:
                    indented = code == "options"
                    if not indented:
                        self.read(number, code)
            except (ValueError, KeyError, IndexError) as mistake:
                raise Mistake(f"{path}:{number}: {mistake}: {line.strip()}") from mistake

    def stage(self):
        """The stage to do something in: a new one, if the last one already has cases."""
        if not self.stages or self.stages[-1].cases:
            last = self.stages[-1] if self.stages else Stage(service_cidrs=SERVICE_CIDRS)
            self.stages.append(Stage(services=dict(last.services), service_cidrs=last.service_cidrs))
        return self.stages[-1]

    def changed(self):
        self.stage().change = True
        return self.stage()

    def read(self, number, line):
        word, *rest = line.split()
        if word == "service":
            self.service_count += 1
            stage = self.changed()
            stage.services[rest[0]] = cluster.Service(rest[0], self.service_count, {}).changed(rest[1:])
        elif word == "change":
            stage = self.changed()
            stage.services[rest[0]] = stage.services[rest[0]].changed(rest[1:])
        elif word == "remove":
            del self.changed().services[rest[0]]
        elif word == "service-cidrs":
            self.changed().service_cidrs = rest
        elif word == "restart":
            self.stage().restart = True
        elif word == "wait":
            self.stage().wait += float(rest[0])
        elif line == "needs daemon":
            self.needs_daemon = True
        else:
            columns = re.split(r"\s{2,}", line)
            if len(columns) != 5:
                raise ValueError(f"{len(columns)} columns instead of 5: "
                                 "from, protocols, to, outcome, clauses")
            self.stages[-1].cases += self.cases(number, columns)

    def cases(self, number, columns):
        senders, protocols, targets, outcome, clauses = columns
        text = "  ".join(columns[:4])
        made = []
        for sender in senders.split():
            if sender not in ADDRESSES and sender != "clients":
                raise ValueError(f"unknown sender {sender}")
            for target in self.targets(targets):
                for protocol, family in expand_protocols(protocols):
                    address, port, service, answering = self.resolve(target, family)
                    made.append(Case(number, text, clauses, sender, protocol, family, target,
                                     address, port, service, answering, read_outcome(outcome)))
        return made

    def targets(self, text):
        """The column's words, "NAME.*" being all external frontends of a Service."""
        for word in text.split():
            name, star, _ = word.partition(".*")
            yield from [f"{name}.{kind}" for kind in FRONTENDS] if star else [word]

    def resolve(self, target, family):
        """(address, port, Service, the port that an endpoint then answers on)."""
        target, _, at = target.partition("@")
        target, _, port = target.partition(":")
        if target in ADDRESSES:
            return ADDRESSES[target][family == 6], int(port or 80), None, int(port or 80)
        name, _, kind = target.partition(".")
        services = self.stages[-1].services
        for stage in reversed(self.stages):  # one that was removed has its addresses still
            if name in services:
                break
            services = stage.services
        service = services[name]
        port = int(port or service.ports[0])
        if kind == "node-port":
            return ADDRESSES[at or "node-a"][family == 6], service.node_port(port), service, 8000 + port
        return service.address(kind or "cluster-ip", family), port, service, 8000 + port

    def ports(self):
        """(ports that Services lead to, all ports that anything may be sent to)"""
        cases = [case for stage in self.stages for case in stage.cases if case.protocol != "icmp"]
        answering = {case.answering_port for case in cases}
        return sorted(answering), sorted(answering | {case.port for case in cases})


def expand_protocols(text):
    for word in text.split():
        name, families = (word[:-1], [int(word[-1])]) if word[-1] in "46" else (word, [4, 6])
        for protocol in PROTOCOLS[name]:
            for family in families:
                yield protocol, family


def read_outcome(text):
    body, *rest = [part.strip() for part in text.split(", ")]
    hold = "hold" in rest
    if body in ("reject", "drop", "untouched", "still open"):
        return Outcome(body)
    words = body.split()
    if words[:2] == ["moves", "to"]:
        if words[2] not in PODS and words[2] not in ("reject", "drop"):
            raise ValueError(f"unknown endpoint {words[2]}")
        return Outcome("moves", to=words[2])
    if words[:2] == ["the", "same"]:
        return Outcome("the same", hold=hold, masqueraded=words[2:] == ["masq"])
    outcome = Outcome("endpoints", one=words[:2] == ["one", "of"], hold=hold)
    for group in [" ".join(words[2:] if outcome.one else words), *(part for part in rest if part != "hold")]:
        *names, how = group.split()
        if how not in ("plain", "masq") or not names:
            raise ValueError(f"an outcome ends in plain or masq: {group}")
        for name in names:
            if name not in ADDRESSES and name not in PODS:
                raise ValueError(f"unknown endpoint {name}")
            outcome.masquerade[name] = how == "masq"
    return outcome

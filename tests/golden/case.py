"""A reviewed case: a folder with snapshot.json, options.yaml, flows.txt and ruleset.nft."""

import dataclasses
import ipaddress
import json
import pathlib
import re

PROTOCOLS = ("tcp", "udp", "sctp", "icmp")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What becomes of a connection: "endpoints", "reset", "unreachable", "drop" or "untouched"."""

    kind: str
    endpoints: frozenset = frozenset()  # of (address, port, masqueraded)
    sticky: bool = False


@dataclasses.dataclass(frozen=True)
class Flow:
    line: int
    source: str
    interface: str | None
    protocol: str
    destination: str
    port: int  # 0 for icmp
    expected: Outcome
    text: str


@dataclasses.dataclass(frozen=True)
class NodeFacts:
    """What the node's network namespace is made from."""

    addresses: tuple  # InternalIPs and ExternalIPs
    pod_cidrs: tuple


class Case:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.name = self.folder.name
        self.snapshot = self.folder / "snapshot.json"
        self.options = self.folder / "options.yaml"
        self.flows_file = self.folder / "flows.txt"
        self.ruleset = self.folder / "ruleset.nft"

    def objects(self):
        with open(self.snapshot, encoding="utf-8") as file:
            return json.load(file)

    def node_name(self):
        found = re.search(r"^hostnameOverride:\s*(\S+)\s*$", self.options.read_text(), re.MULTILINE)
        if not found:
            raise ValueError(f"{self.options}: hostnameOverride is missing")
        return found.group(1)

    def node(self):
        name = self.node_name()
        for item in self.objects()["items"]:
            if item["kind"] == "Node" and item["metadata"]["name"] == name:
                addresses = tuple(a["address"] for a in item["status"]["addresses"]
                                  if a["type"] in ("InternalIP", "ExternalIP"))
                return NodeFacts(addresses, tuple(item["spec"].get("podCIDRs", ())))
        raise ValueError(f"{self.snapshot}: no Node {name}")

    def flows(self):
        flows = []
        for number, line in enumerate(self.flows_file.read_text().splitlines(), 1):
            text = line.split("#")[0].strip()
            if text:
                try:
                    flows.append(parse_flow(number, text))
                except ValueError as error:
                    raise ValueError(f"{self.flows_file}:{number}: {error}") from error
        return flows


def parse_flow(number, text):
    words = text.split(None, 2)
    if len(words) != 3:
        raise ValueError("wants FROM TO OUTCOME")
    source, _, interface = words[0].partition("@")
    protocol, _, place = words[1].partition(":")
    if protocol not in PROTOCOLS:
        raise ValueError(f'"{protocol}" is none of {", ".join(PROTOCOLS)}')
    destination, port = (place, 0) if protocol == "icmp" else split_port(place)
    return Flow(number, canonical(source), interface or None, protocol, canonical(destination),
                port, parse_outcome(words[2]), text)


def parse_outcome(text):
    if text in ("reset", "unreachable", "drop", "untouched"):
        return Outcome(text)
    sticky = text.endswith(" sticky")
    endpoints = []
    for group in text.removesuffix(" sticky").split(","):
        *places, translation = group.split()
        if translation not in ("plain", "masq") or not places:
            raise ValueError(f'"{group.strip()}" wants endpoints, then "plain" or "masq"')
        for place in places:
            address, port = split_port(place)
            endpoints.append((canonical(address), port, translation == "masq"))
    if endpoints != sorted(endpoints, key=lambda e: (ipaddress.ip_address(e[0]), e[1])):
        raise ValueError("endpoints are not in order of address and port")
    return Outcome("endpoints", frozenset(endpoints), sticky)


def canonical(address):
    return str(ipaddress.ip_address(address.removeprefix("[").removesuffix("]")))


def split_port(place):
    address, colon, port = place.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f'"{place}" has no port')
    return address, int(port)

"""Random small clusters, and random packets that may have to do with them.

All comes from small pools, so that Services often claim the same, slices often overlap, and packets
often meet something. Not made: what the contract leaves open (two copies of an endpoint that disagree
although both are terminating, or neither is; one address on two nodes; an address that is a
ClusterIP and an external one at once).
"""

import collections
import dataclasses
import random

from reference import address

VERSIONS = (4, 6)
NODES = ("node-1", "node-2", "node-3", "node-4")  # the first is the one we are on
ZONES = ("zone-a", "zone-b")
PROTOCOLS = ("TCP", "UDP", "SCTP")

NODE_ADDRESSES = {4: ("192.168.0.11", "192.168.1.11", "192.168.2.11"),
                  6: ("fd00:192:168::11", "fd00:192:168:1::11", "fd00:192:168:2::11")}
POD_CIDRS = {4: "10.244.1.0/24", 6: "fd00:10:244:1::/64"}
CLUSTER_CIDRS = {4: ("10.244.0.0/16", "10.244.1.0/24", "10.0.0.0/8", "192.168.0.0/16"),
                 6: ("fd00:10:244::/48", "fd00:10:244:1::/64", "fd00::/16", "fd00:192:168::/48")}
SERVICE_CIDRS = {4: ("10.96.0.0/24", "10.96.0.0/16", "10.97.0.0/24", "10.96.1.0/25"),
                 6: ("fd00:10:96::/112", "fd00:10:96::/64", "fd00:10:97::/112")}
CLUSTER_IP = {4: "10.96.{}.{}", 6: "fd00:10:96::{}:{}"}
EXTERNAL = {4: ("198.51.100.{}", "192.0.2.{}"), 6: ("2001:db8:5::{}", "2001:db8:7::{}")}
CLIENTS = {4: ("203.0.113.9", "203.0.114.9", "198.18.0.9", "192.168.0.12"),
           6: ("2001:db8:51::9", "2001:db8:52::9", "2001:db8:53::9", "fd00:192:168::12")}
RANGES = {4: ("203.0.113.0/24", "203.0.112.0/21", "198.18.0.0/16", "10.244.0.0/16", "192.168.0.0/24",
              "192.168.1.0/24", "203.0.113.9/32", "10.0.0.0/8", "0.0.0.0/0"),
          6: ("2001:db8:51::/64", "2001:db8:50::/44", "fd00:10:244::/48", "fd00:192:168::/64",
              "fd00:192:168:1::/64", "2001:db8:52::9/128", "::/0")}
OTHER_OWN_RANGES = ("192.168.1.0/24", "fd00:192:168:1::/64")
NODE_PORT_CIDRS = {4: ("0.0.0.0/0", "192.168.0.0/24", "192.168.0.0/16", "192.168.1.11/32", "10.0.0.0/8",
                       "127.0.0.0/8"),
                   6: ("::/0", "fd00:192:168::/64", "fd00:192:168::/48", "2001:db8::/32", "::1/128")}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
WORLD = {4: "198.51.101.1", 6: "2001:db8:99::1"}
SPARE_CLUSTER_IPS = {4: ("10.96.0.250", "10.96.9.9", "10.97.0.9", "10.98.0.9"),
                     6: ("fd00:10:96::250", "fd00:10:96:9::9", "fd00:10:97::9")}
POD = {4: "10.244.{}.{}", 6: "fd00:10:244:{}::{}"}

PORTS = (80, 443, 53, 8080)
NODE_PORTS = tuple(range(30080, 30086))
TARGET_PORTS = (8080, 9090, 5353)
NAMES = ("http", "dns", "metrics", "")
INTERFACES = ("eth0", "cni0", "cni01", "cali1")


@dataclasses.dataclass(frozen=True)
class Flow:
    source: str
    interface: str | None
    protocol: str
    destination: str
    port: int  # 0 for icmp

    def __str__(self):
        source = f"{self.source}@{self.interface}" if self.interface else self.source
        place = f"[{self.destination}]" if ":" in self.destination else self.destination
        if self.protocol == "icmp":
            return f"{source} icmp:{self.destination}"
        return f"{source} {self.protocol}:{place}:{self.port}"


@dataclasses.dataclass
class Cluster:
    seed: str
    objects: list
    options: dict
    flows: list


# What of a node cannot change while it is up: of the wire's nodes, which see several clusters.
Facts = collections.namedtuple("Facts", "addresses pod_cidrs")


def random_cluster(seed, flows=24, facts=None, namespace="ns"):
    """The same for the same arguments, whatever the machine."""
    return Maker(random.Random(seed), facts, namespace).make(seed, flows)


def random_facts(seed):
    """Of a node with addresses and pods in both families."""
    maker = Maker(random.Random(seed), None, "")
    return Facts([a for a in maker.node_addresses() if a["type"] != "Hostname"],
                 [POD_CIDRS[4], POD_CIDRS[6]])


class Maker:
    def __init__(self, rng, facts, namespace):
        self.rng, self.facts, self.namespace = rng, facts, namespace
        self.homes = {}  # address of an endpoint -> its node's name, or None
        self.pick, self.chance = rng.choice, lambda share: rng.random() < share

    def some(self, members, most):
        return self.rng.sample(members, self.rng.randint(0, min(most, len(members))))

    def make(self, seed, flows):
        addresses = self.facts.addresses if self.facts else self.node_addresses()
        self.versions = self.pick(((4,), (6,), (4, 6), (4, 6), (4, 6)))
        self.own = {v: [a["address"] for a in addresses if (":" in a["address"]) == (v == 6)
                        and a["type"] != "Hostname"] for v in VERSIONS}
        services = [self.service(number) for number in range(self.rng.randint(1, 6))]
        objects = [*services, *self.service_cidrs(), *self.nodes(addresses)]
        for service in services:
            objects += self.slices(service)
        options = self.options()
        self.rng.shuffle(objects)
        return Cluster(seed, objects, options, self.flows(services, objects, options, flows))

    # --- The node

    def node_addresses(self):
        listed = []
        for version in VERSIONS:
            few = 1 if self.chance(0.5) else 3
            for text in NODE_ADDRESSES[version][:self.rng.randint(1, few)]:
                listed.append({"type": self.pick(("InternalIP", "InternalIP", "ExternalIP")),
                               "address": text})
        if self.chance(0.3):
            self.rng.shuffle(listed)
        if self.chance(0.2):
            listed.insert(0, {"type": "Hostname", "address": NODES[0]})
        return listed

    def nodes(self, addresses):
        if not self.facts and self.chance(0.05):
            addresses = [a for a in addresses if (":" in a["address"]) == (self.versions[0] == 6)]
            self.own = {v: self.own[v] if v == self.versions[0] else [] for v in VERSIONS}
        pod_cidrs = self.facts.pod_cidrs if self.facts else self.some(list(POD_CIDRS.values()), 2)
        labels = {"kubernetes.io/hostname": NODES[0]}
        if self.chance(0.8):
            labels["topology.kubernetes.io/zone"] = ZONES[0]
        yield {"apiVersion": "v1", "kind": "Node",
               "metadata": {"name": NODES[0], "labels": labels},
               "spec": {"podCIDRs": pod_cidrs}, "status": {"addresses": addresses}}
        if self.chance(0.3):
            yield {"apiVersion": "v1", "kind": "Node",
                   "metadata": {"name": NODES[1], "labels": {"topology.kubernetes.io/zone": ZONES[1]}},
                   "spec": {"podCIDRs": ["10.244.2.0/24"]},
                   "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.12"}]}}

    def service_cidrs(self):
        for number in range(self.rng.randint(0, 2)):
            cidrs = [self.pick(SERVICE_CIDRS[v]) for v in self.some(VERSIONS, 2)]
            if cidrs:
                yield {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
                       "metadata": {"name": f"cidr-{number}"}, "spec": {"cidrs": cidrs}}

    def options(self):
        options = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                   "kind": "KubeProxyConfiguration", "mode": "nftables",
                   "hostnameOverride": NODES[0],
                   "nftables": {"masqueradeAll": self.chance(0.15),
                                "masqueradeBit": self.pick((0, 14, 14, 14, 31))}}
        self.local_detector(options)
        self.node_port_addresses(options)
        if self.chance(0.3):
            options["bindAddress"] = self.pick(("0.0.0.0", "::", *self.own[4], *self.own[6]))
        if self.chance(0.1):
            options["featureGates"] = {"AllowServiceExternalIPs": self.chance(0.2)}
        return options

    def local_detector(self, options):
        mode = self.pick(("", "", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"))
        if mode:
            options["detectLocalMode"] = mode
        if mode in ("", "ClusterCIDR", "NodeCIDR"):
            cidrs = [self.pick(CLUSTER_CIDRS[v][:1] * 3 + CLUSTER_CIDRS[v])
                     for v in VERSIONS if self.chance(0.85)]
            if cidrs:
                options["clusterCIDR"] = ",".join(cidrs)
        else:
            options["detectLocal"] = {"bridgeInterface": "cni0", "interfaceNamePrefix":
                                      self.pick(("cni", "cali", "cni0"))}

    def node_port_addresses(self, options):
        kind = self.rng.random()
        if kind < 0.2:
            options["nodePortAddresses"] = ["primary"]
        elif kind < 0.75:
            every = NODE_PORT_CIDRS[4] + NODE_PORT_CIDRS[6]
            options["nodePortAddresses"] = (["0.0.0.0/0", "::/0"] if kind < 0.35
                                            else self.some(every, 3))

    # --- Services

    def service(self, number):
        kind = self.pick(("ClusterIP", "ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer"))
        spec = {"type": kind if self.chance(0.97) else "ExternalName", "ports": self.ports(kind)}
        metadata = {"namespace": f"{self.namespace}{self.pick('12')}", "name": f"s{number}",
                    "creationTimestamp": f"2026-0{self.rng.randint(1, 4)}-01T00:00:00Z"}
        if self.chance(0.03):
            metadata["labels"] = {"service.kubernetes.io/service-proxy-name": self.pick(("", "other"))}
        self.addresses(spec, number)
        spec |= self.noise()
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        if self.chance(0.4):
            spec["internalTrafficPolicy"] = self.pick(("Local", "Local", "Cluster"))
        if self.chance(0.5):
            spec["externalTrafficPolicy"] = self.pick(("Local", "Local", "Cluster"))
        if self.chance(0.3):
            spec["sessionAffinity"] = self.pick(("ClientIP", "ClientIP", "None"))
            if self.chance(0.5):
                spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 600}}
        if self.chance(0.35 if kind != "LoadBalancer" else 0.2):
            spec["externalIPs"] = self.external_addresses() + (["", "bad"] if self.chance(0.1) else [])
            if self.chance(0.1):
                spec["externalIPs"] = ["bad"]
        if kind == "LoadBalancer" or self.chance(0.1):
            service["status"] = {"loadBalancer": {"ingress": self.ingress()}}
            if self.chance(0.5):
                spec["loadBalancerSourceRanges"] = self.source_ranges()
        return service

    def noise(self):
        """What nobody reads, but those who write slices (SVC-08)."""
        spec = {"selector": {"app": "any"}, "publishNotReadyAddresses": True, "loadBalancerIP": "192.0.2.99",
                "trafficDistribution": self.pick(("PreferSameZone", "PreferSameNode", "PreferClose"))}
        return {field: spec[field] for field in spec if self.chance(0.2)}

    def ports(self, kind):
        ports, taken, names = [], set(), self.rng.sample(NAMES, len(NAMES))
        node_ports = iter(self.rng.sample(NODE_PORTS, 4))
        for name in names[:self.rng.randint(1, 3)]:
            numbers = PORTS if self.chance(0.9) else NODE_PORTS[:2]
            port = {"port": self.pick(numbers), "targetPort": self.pick((80, "http", 1))}
            protocol = self.pick(PROTOCOLS[:2] if self.chance(0.7) else PROTOCOLS)
            if (port["port"], protocol) in taken:
                continue
            taken.add((port["port"], protocol))
            if name or self.chance(0.5):
                port["name"] = name
            if protocol != "TCP" or self.chance(0.7):
                port["protocol"] = protocol
            if kind != "ClusterIP" and self.chance(0.85) or self.chance(0.03):
                port["nodePort"] = next(node_ports)
            ports.append(port)
        return ports

    def addresses(self, spec, number):
        """Sets the ClusterIPs. One of all its Services, in one family, is another one's at times."""
        third, fourth = self.pick((0, 0, 1)), number + 10
        if self.chance(0.02):
            third, fourth = 0, 10
        texts = {v: CLUSTER_IP[v].format(third, fourth) for v in VERSIONS}
        if self.chance(0.05):
            texts[4] = f"10.096.{third}.0{fourth}"
        families = self.rng.sample(self.versions, self.rng.randint(1, len(self.versions)))
        if self.chance(0.03):
            spec["clusterIP"] = "None"
            spec["clusterIPs"] = ["None"]
        elif self.chance(0.03):
            spec["clusterIP"] = ""
        elif self.chance(0.15):
            spec["clusterIP"] = texts[families[0]]
        else:
            spec["clusterIP"] = texts[families[0]]
            spec["clusterIPs"] = [texts[f] for f in families]
            spec["ipFamilies"] = [{4: "IPv4", 6: "IPv6"}[f] for f in families]

    def external_addresses(self):
        found = []
        for _ in range(self.rng.randint(1, 3)):
            version = self.pick(self.versions)
            if self.chance(0.15) and self.own[version]:
                found.append(self.pick(self.own[version]))
            else:
                found.append(self.pick(EXTERNAL[version]).format(self.rng.randint(10, 13)))
        return found

    def ingress(self):
        entries = []
        for text in self.external_addresses():
            entry = {"ip": text}
            if self.chance(0.5):
                entry["ipMode"] = self.pick(("VIP", "VIP", "Proxy"))
            entries.append(entry)
        if self.chance(0.1):
            entries.append({"hostname": "balancer.example"})
        return entries

    def source_ranges(self):
        if self.chance(0.1):
            return list(OTHER_OWN_RANGES)  # of the node's addresses not the first ones
        every = RANGES[4] + RANGES[6]
        ranges = [self.pick(every[:-1] if self.chance(0.8) else every)
                  for _ in range(self.rng.randint(0, 3))]
        if self.chance(0.15):
            ranges.append(self.pick(("bad", "203.0.113.0/33", " 203.0.113.0/24 ", "203.0.113.0/024")))
        return ranges

    # --- EndpointSlices

    def slices(self, service):
        key = service["metadata"]["namespace"], service["metadata"]["name"]
        self.hinted = self.pick(("none", "none", "zones", "nodes", "both", "mixed"))
        self.weather = self.pick(("fair", "fair", "mixed", "mixed", "leaving"))
        for version in self.versions if self.chance(0.9) else VERSIONS:
            known = {}
            for number in range(self.rng.randint(0, 3)):
                yield self.slice(key, f"{key[1]}-{version}-{number}", version,
                                 service["spec"]["ports"], known)

    def slice(self, key, name, version, service_ports, known):
        labels = {"kubernetes.io/service-name": key[1]}
        if self.chance(0.03):
            labels["service.kubernetes.io/headless"] = ""
        if self.chance(0.03):
            labels["kubernetes.io/service-name"] = ""
        namespace = key[0] if self.chance(0.98) else f"{self.namespace}3"  # of no Service
        kind = {4: "IPv4", 6: "IPv6"}[version] if self.chance(0.98) else "FQDN"
        endpoints = [self.endpoint(version, known) for _ in range(self.rng.randint(0, 4))]
        if kind == "FQDN":
            endpoints = [{"addresses": ["pod.example"]}]
        return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"namespace": namespace, "name": name, "labels": labels},
                "addressType": kind, "endpoints": endpoints,
                "ports": [p for s in service_ports if (p := self.slice_port(s))]}

    def slice_port(self, service_port):
        if self.chance(0.07):
            return None
        number = self.pick(TARGET_PORTS)
        if "nodePort" in service_port and self.chance(0.15):
            number = service_port["nodePort"]  # what a node's own endpoint may well listen to
        port = {"name": service_port.get("name", ""), "port": number,
                "protocol": service_port.get("protocol", "TCP")}
        if self.chance(0.03):
            port["protocol"] = self.pick(PROTOCOLS)
        if port["protocol"] == "TCP" and self.chance(0.2):
            del port["protocol"]
        if self.chance(0.02):
            del port[self.pick(("port", "name"))]
        return port

    def endpoint(self, version, known):
        """The endpoints of a Service that have the same address are the same; or one is terminating,
        and always in the same way."""
        if self.chance(0.02):
            return {"addresses": []}
        place = self.place(version)
        if place not in known:
            known[place] = (self.new_endpoint(version, place), self.new_endpoint(version, place))
        usual, leaving = known[place]
        if not usual.get("conditions", {}).get("terminating") and self.chance(0.1):
            leaving["conditions"] = {"ready": False, "terminating": True}
            return leaving
        return usual

    def place(self, version):
        """(address, index of its node)."""
        number = self.pick((1, 1, 1, 2, 3, 4))
        if self.chance(0.12):
            if number == 1 and self.own[version]:
                return self.pick(self.own[version]), 1
            return CLIENTS[version][3], 2
        return POD[version].format(number, self.rng.randint(4, 7)), number

    def new_endpoint(self, version, place):
        text, number = place
        endpoint = {"addresses": [text]}
        if self.chance(0.1):
            endpoint["addresses"].append(POD[version].format(9, 9))
        if text not in self.homes:
            self.homes[text] = None if self.chance(0.07) else self.pick((NODES[number - 1],) * 9 + NODES)
        if self.homes[text]:
            endpoint["nodeName"] = self.homes[text]
        if self.chance(0.5):
            endpoint["zone"] = self.pick(ZONES)  # says nothing: hints do (EP-13)
        conditions = self.conditions()
        if conditions:
            endpoint["conditions"] = conditions
        hints = {}
        wants = {"mixed": self.pick(("none", "zones", "nodes", "both"))}.get(self.hinted, self.hinted)
        if wants in ("zones", "both"):
            hints["forZones"] = [{"name": z} for z in self.some(ZONES, 2)] if self.chance(0.1) else [
                {"name": self.pick(ZONES)}]
        if wants in ("nodes", "both"):
            hints["forNodes"] = [{"name": self.pick(NODES)}]
        if hints:
            endpoint["hints"] = hints
        return endpoint

    def conditions(self):
        kind = {"fair": 0.0, "mixed": self.rng.random(), "leaving": 0.9}[self.weather]
        if kind < 0.1 or self.chance(0.05):
            return {}
        if kind < 0.5:
            return {"ready": True, "serving": True, "terminating": self.chance(0.1)}
        if kind < 0.7:
            return {"ready": False, "serving": self.chance(0.3), "terminating": False}
        return {"ready": False, "serving": self.chance(0.8), "terminating": self.chance(0.9)}

    # --- Packets

    def flows(self, services, objects, options, count):
        endpoints = {version: [e["addresses"][0] for o in objects if o["kind"] == "EndpointSlice"
                               for e in o["endpoints"] if e["addresses"]
                               and o["addressType"] == f"IPv{version}"] for version in VERSIONS}
        by_interface = "detectLocal" in options
        return list(dict.fromkeys(self.flow(services, endpoints, by_interface) for _ in range(count)))

    def flow(self, services, endpoints, by_interface):
        service = self.pick(services)
        version = self.pick(self.versions)
        protocol, destination, port = self.target(service, services, endpoints, version)
        version = 6 if ":" in destination else 4
        source, interface = self.sender(service, endpoints, version)
        if destination == LOOPBACK[version]:
            source, interface = LOOPBACK[version], None
        if not by_interface and self.chance(0.9):
            interface = None
        if source in self.own[version] or source == LOOPBACK[version]:
            interface = None
        elif by_interface and not interface:
            interface = self.pick(INTERFACES)
        return Flow(source, interface, protocol, destination, port)

    def target(self, service, services, endpoints, version):
        spec = service["spec"]
        port = self.pick(spec["ports"])
        protocol, number = port.get("protocol", "TCP").lower(), port["port"]
        kind = self.rng.random()
        if kind < 0.06:
            number = self.pick(PORTS)
        elif kind < 0.12:
            protocol = self.pick(("tcp", "udp", "sctp"))
        elif kind < 0.15:
            protocol, number = "icmp", 0
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
        places = [*spec.get("clusterIPs", [spec["clusterIP"]])]
        external = [e["ip"] for e in ingress if "ip" in e] + spec.get("externalIPs", [])
        kind = self.rng.random()
        if external and kind < 0.45:
            places = external
        elif port.get("nodePort") and kind < 0.65 or kind < 0.05:
            places = self.own[version]
            if protocol != "icmp":
                number = port.get("nodePort") or self.pick(NODE_PORTS)
            if self.chance(0.1):
                places = [LOOPBACK[version], CLIENTS[version][3]]
        elif 0.65 < kind < 0.7:
            places = SPARE_CLUSTER_IPS[version]
        elif 0.7 < kind < 0.73:
            places = endpoints[version]
            number = number and self.pick(TARGET_PORTS)
        elif 0.73 < kind < 0.75:
            places = [WORLD[version], *EXTERNAL[version]]
        places = [p for p in places if p not in ("", "None", "bad")] or [WORLD[version]]
        return protocol, str(address(self.pick(places).replace("{}", "12"))), number

    def sender(self, service, endpoints, version):
        kind = self.rng.random()
        if kind < 0.3 and endpoints[version]:
            return self.pick(endpoints[version]), self.pick(("cni0", "cni0", "eth0", "cali1"))
        if kind < 0.5:
            number = self.pick((1, 1, 2, 3))
            return POD[version].format(number, 77), "cni0" if number == 1 else "eth0"
        if kind < 0.7 and self.own[version]:
            return self.pick(self.own[version]), None
        if kind < 0.75:
            ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
            places = [e["ip"] for e in ingress if "ip" in e and (":" in e["ip"]) == (version == 6)]
            if places:
                return self.pick(places), "eth0"
        return self.pick(CLIENTS[version]), "eth0"

"""Where connections are to go, by the behavioural contract alone.

A second opinion on what a cluster's objects mean on one node: it reads the same snapshot and options
as kproxy, knows nothing of nftables, and goes by the clauses one by one, slowly. Each rule is a method
of its own, so that mutants.py can break it.
"""

import collections
import functools
import ipaddress
import re

FAMILY = {4: "IPv4", 6: "IPv6"}
CLUSTER_IP, EXTERNAL_IP, VIP, NODE_PORT = "ClusterIP", "externalIP", "VIP", "NodePort"


@functools.lru_cache(maxsize=None)
def address(text):
    """An IP address, leading zeros read as decimal (SVC-18); None for what is none."""
    try:
        return ipaddress.ip_address(re.sub(r"\b0+(?=\d)", "", text) if ":" not in text else text)
    except ValueError:
        return None


@functools.lru_cache(maxsize=None)
def prefix(text):
    written, slash, length = text.strip().partition("/")
    start = address(written)
    if start is None or not slash or not length.isdigit() or int(length) > start.max_prefixlen:
        return None
    return ipaddress.ip_network((start, int(length)), strict=False)


@functools.lru_cache(maxsize=None)
def inside(place, network):
    return place.version == network.version and place in network


def parsed(parse, texts):
    return [value for text in texts or () if (value := parse(text)) is not None]


# One endpoint of a Service port. `state`: "R", "ST" or "" (EP-08 to EP-11).
Endpoint = collections.namedtuple("Endpoint", "address port state local zones nodes")

# A Service port in one family: who serves it, how, and for whom.
ServicePort = collections.namedtuple("ServicePort", "name any cluster local internal_local"
                                                    " external_local sticky ranges vips")


class Reference:
    def __init__(self, objects, options):
        self.options = options
        self.name = options["hostnameOverride"]
        self.of_kind = collections.defaultdict(list)
        for item in objects:
            self.of_kind[item["kind"]].append(item)
        self.node = next((n for n in self.of_kind["Node"] if n["metadata"]["name"] == self.name), {})
        self.zone = self.node.get("metadata", {}).get("labels", {}).get("topology.kubernetes.io/zone")
        self.service_cidrs = [network for item in self.of_kind["ServiceCIDR"]
                              for network in parsed(prefix, item["spec"].get("cidrs"))]  # NODE-03
        self.slices = collections.defaultdict(list)
        for item in self.of_kind["EndpointSlice"]:
            self.slices[self.service_of(item)].append(item)
        self.own_addresses = self.read_own_addresses()
        self.families = {version: self.read_family(version) for version in FAMILY}

    # --- 1. Inputs

    def read_own_addresses(self):
        """In the order in which the first of a family is the primary one (NODE-02)."""
        listed = self.node.get("status", {}).get("addresses", ())
        return [found for kind in ("InternalIP", "ExternalIP") for entry in listed
                if entry["type"] == kind and (found := address(entry["address"])) is not None]

    def service_of(self, item):
        """EP-01, EP-02."""
        labels = item["metadata"].get("labels", {})
        if "service.kubernetes.io/headless" in labels or not labels.get("kubernetes.io/service-name"):
            return None
        return item["metadata"]["namespace"], labels["kubernetes.io/service-name"]

    def is_served(self, service):
        """SVC-01 to SVC-03."""
        labels, spec = service["metadata"].get("labels", {}), service["spec"]
        return ("service.kubernetes.io/service-proxy-name" not in labels
                and spec.get("clusterIP") not in (None, "", "None")
                and spec.get("type") != "ExternalName")

    def cluster_ip(self, spec, version):
        """SVC-04."""
        if not spec.get("ipFamilies"):
            found = address(spec["clusterIP"])
            return found if found.version == version else None
        for family, text in zip(spec["ipFamilies"], spec["clusterIPs"]):
            if family == FAMILY[version]:
                return address(text)
        return None

    def external_ips(self, spec):
        """SVC-09, SVC-10."""
        if self.options.get("featureGates", {}).get("AllowServiceExternalIPs") is False:
            return []
        return parsed(address, spec.get("externalIPs"))

    def vips(self, service):
        """SVC-11."""
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
        return parsed(address, [entry["ip"] for entry in ingress
                                if "ip" in entry and entry.get("ipMode", "VIP") == "VIP"])

    def source_ranges(self, spec, version):
        """SVC-13; BEYOND-19: what is all unreadable lets nobody in. None: everybody."""
        written = spec.get("loadBalancerSourceRanges")
        every = parsed(prefix, written)
        ranges = [network for network in every if network.version == version]
        if written and not every:
            return []
        if not ranges or any(network.prefixlen == 0 for network in ranges):
            return None
        return ranges

    def external_local(self, spec):
        """SVC-15."""
        return spec.get("externalTrafficPolicy") == "Local" and (
            spec.get("type") in ("LoadBalancer", "NodePort") or bool(spec.get("externalIPs")))

    def internal_local(self, spec):
        """SVC-14."""
        return spec.get("internalTrafficPolicy") == "Local"

    def state(self, conditions):
        """EP-08 to EP-11."""
        if conditions.get("ready", True):
            return "R"
        return "ST" if conditions.get("serving", True) and conditions.get("terminating") else ""

    def endpoints(self, key, port, version):
        """EP-03 to EP-13: of one Service port, in one family."""
        found = {}
        for item in self.slices.get(key, ()):
            if item["addressType"] != FAMILY[version]:
                continue
            for number in self.slice_ports(item, port):
                for entry in item.get("endpoints") or ():
                    self.merge(found, entry, number)
        return [endpoint for _, endpoint in found.values()]

    def slice_ports(self, item, port):
        """EP-05; a protocol that is missing is TCP (BEYOND-18)."""
        return [p["port"] for p in item.get("ports") or ()
                if p.get("name") == port.get("name", "") and p.get("port")
                and p.get("protocol", "TCP") == port.get("protocol", "TCP")]

    def merge(self, found, entry, number):
        """EP-06, EP-07."""
        if not entry.get("addresses") or (place := address(entry["addresses"][0])) is None:
            return
        conditions, hints = entry.get("conditions", {}), entry.get("hints", {})
        terminating = conditions.get("terminating", False)
        if (place, number) in found and found[place, number][0] <= terminating:
            return
        found[place, number] = terminating, Endpoint(
            place, number, self.state(conditions), entry.get("nodeName") == self.name,
            tuple(h["name"] for h in hints.get("forZones") or ()),
            tuple(h["name"] for h in hints.get("forNodes") or ()))

    # --- 2. Endpoint selection

    def cluster_set(self, endpoints):
        """SEL-02."""
        ready = [e for e in endpoints if e.state == "R"]
        return self.near(ready) if ready else [e for e in endpoints if e.state == "ST"]

    def local_set(self, endpoints):
        """SEL-03, SEL-04."""
        here = [e for e in endpoints if e.local]
        return [e for e in here if e.state == "R"] or [e for e in here if e.state == "ST"]

    def near(self, ready):
        """SEL-06 to SEL-08."""
        for of, mine in (("nodes", self.name), ("zones", self.zone)):
            if mine and all(getattr(e, of) for e in ready):
                chosen = [e for e in ready if mine in getattr(e, of)]
                if chosen:
                    return chosen
        return ready

    # --- The Services as one family sees them

    def read_family(self, version):
        """Frontends: (address or None, protocol, port) -> (kind, ServicePort). The older Service, then
        the first by name, has what several claim (BEYOND-14). Active ClusterIPs."""
        frontends, cluster_ips = {}, set()
        for service in sorted(self.of_kind["Service"], key=self.precedence):
            if not self.is_served(service) or not self.cluster_ip(service["spec"], version):
                continue
            cluster_ip = self.cluster_ip(service["spec"], version)
            cluster_ips.add(cluster_ip)
            for port in service["spec"]["ports"]:
                served = self.service_port(service, port, version)
                for kind, place, number in self.frontends(service, port, cluster_ip, served):
                    protocol = port.get("protocol", "TCP").lower()
                    frontends.setdefault((place, protocol, number), (kind, served))
        return frontends, cluster_ips

    def precedence(self, service):
        metadata = service["metadata"]
        return metadata["creationTimestamp"], metadata["namespace"], metadata["name"]

    def service_port(self, service, port, version):
        spec, metadata = service["spec"], service["metadata"]
        key = metadata["namespace"], metadata["name"]
        endpoints = self.endpoints(key, port, version)
        return ServicePort(
            (*key, port.get("name", ""), port.get("protocol", "TCP")),
            any(e.state for e in endpoints), self.cluster_set(endpoints), self.local_set(endpoints),
            self.internal_local(spec), self.external_local(spec),
            spec.get("sessionAffinity") == "ClientIP", self.source_ranges(spec, version),
            [vip for vip in self.vips(service) if vip.version == version])

    def frontends(self, service, port, cluster_ip, served):
        """SVC-05, SVC-09 to SVC-12. Of one address that is both, VIP and externalIP, the former is it:
        source ranges guard it (LBR-02)."""
        yield CLUSTER_IP, cluster_ip, port["port"]
        for vip in served.vips:
            yield VIP, vip, port["port"]
        for place in self.external_ips(service["spec"]):
            if place.version == cluster_ip.version:
                yield EXTERNAL_IP, place, port["port"]
        if port.get("nodePort"):
            yield NODE_PORT, None, port["nodePort"]

    # --- 3.6 Local detector

    def pod_cidrs(self, version):
        """LD-01, LD-02, and several of a family (BEYOND-22)."""
        if self.options.get("detectLocalMode", "ClusterCIDR") == "NodeCIDR":
            texts = self.node.get("spec", {}).get("podCIDRs", ())
        else:
            texts = [text for text in self.options.get("clusterCIDR", "").split(",") if text]
        return [network for network in parsed(prefix, texts) if network.version == version]

    def detects(self, version):
        mode = self.options.get("detectLocalMode", "ClusterCIDR")
        return mode not in ("ClusterCIDR", "NodeCIDR") or bool(self.pod_cidrs(version))

    def is_pod(self, source, interface):
        """LD-01 to LD-05."""
        mode = self.options.get("detectLocalMode", "ClusterCIDR")
        if mode == "BridgeInterface":
            return interface == self.options["detectLocal"]["bridgeInterface"]
        if mode == "InterfaceNamePrefix":
            return (interface or "").startswith(self.options["detectLocal"]["interfaceNamePrefix"])
        return any(inside(source, network) for network in self.pod_cidrs(source.version))

    def origin(self, source, interface):
        if self.is_pod(source, interface):
            return "pod"
        return "host" if self.is_own(source) else "outside"

    def is_own(self, place):
        return place.is_loopback or place in self.own_addresses

    # --- 3.3 NodePort

    def primary(self, version):
        """NODE-02."""
        bound = address(self.options.get("bindAddress", "")) if self.options.get("bindAddress") else None
        if bound is not None and bound.version == version and not bound.is_unspecified:
            return bound
        return next((a for a in self.own_addresses if a.version == version), None)

    def accepts_node_ports(self, place):
        """NP-01 to NP-06; without a primary address there is none (BEYOND-02)."""
        if place.is_loopback or not self.is_own(place):
            return False
        listed = self.options.get("nodePortAddresses") or ["primary"]
        if listed == ["primary"]:
            return place == self.primary(place.version)
        networks = [n for n in parsed(prefix, listed) if n.version == place.version]
        return not networks or any(inside(place, n) for n in networks)

    # --- 3.4 loadBalancerSourceRanges

    def is_let_in(self, served, source):
        """LBR-01, LBR-04 (of any of the node's addresses: BEYOND-20)."""
        if served.ranges is None or any(inside(source, n) for n in served.ranges):
            return True
        own_inside = any(inside(own, n) for own in self.own_addresses for n in served.ranges)
        return own_inside and source in served.vips

    # --- 3. Packet outcomes

    def find(self, protocol, destination, port):
        """The frontend that answers, (kind, ServicePort). PKT-20: a node port comes last."""
        frontends, _ = self.families[destination.version]
        found = frontends.get((destination, protocol, port))
        if found is None and self.accepts_node_ports(destination):
            found = frontends.get((None, protocol, port))
        return found

    def service_port_of(self, flow):
        """The Service port that a flow reaches, or None."""
        found = self.find(flow.protocol, address(flow.destination), flow.port)
        return found[1] if found else None

    def outcome(self, flow):
        """As `kpcompile explain --brief` and flows.txt write it."""
        source, destination = address(flow.source), address(flow.destination)
        refusal = "reset" if flow.protocol == "tcp" else "unreachable"
        found = self.find(flow.protocol, destination, flow.port)
        if found is None:
            return self.without_frontend(destination, refusal)
        kind, served = found
        if kind == VIP and not self.is_let_in(served, source):
            return "drop"  # LBR-01, LBR-03
        if not served.any:
            return refusal  # PKT-07
        origin = self.origin(source, flow.interface)
        detects = self.detects(source.version)
        if kind == CLUSTER_IP:
            eligible, masquerade = self.to_cluster_ip(served, origin, detects)
        else:
            eligible, masquerade = self.to_external(served, origin)
        if not eligible:
            return "drop"  # PKT-03, PKT-06
        by_host = self.is_own(source) and not flow.interface
        return self.written({
            (e.address, e.port): self.is_masqueraded(e, source, by_host, masquerade)
            for e in eligible}, served.sticky)

    def without_frontend(self, destination, refusal):
        """CIP-01 to CIP-03, PKT-21, NP-07."""
        _, cluster_ips = self.families[destination.version]
        if destination in cluster_ips:
            return refusal
        if any(inside(destination, network) for network in self.service_cidrs):
            return "drop"
        return "untouched"

    def to_cluster_ip(self, served, origin, detects):
        """PKT-01 to PKT-03, PKT-08, PKT-10."""
        eligible = served.local if served.internal_local else served.cluster
        return eligible, bool(self.options["nftables"].get("masqueradeAll")) or (
            detects and origin != "pod")

    def to_external(self, served, origin):
        """PKT-04 to PKT-06. Without a local detector nobody is a pod (PKT-09)."""
        if not served.external_local:
            return served.cluster, True
        if origin == "outside":
            return served.local, False
        return served.cluster, origin == "host"

    def is_masqueraded(self, endpoint, source, by_host, masquerade):
        """PKT-16, PKT-17."""
        if self.is_own(endpoint.address) and not by_host:
            return False
        return masquerade or (endpoint.local and endpoint.address == source)

    def written(self, masqueraded, sticky):
        places = sorted(masqueraded)
        words = []
        for number, place in enumerate(places):
            words.append(f"[{place[0]}]:{place[1]}" if place[0].version == 6
                         else f"{place[0]}:{place[1]}")
            last = number + 1 == len(places)
            if last or masqueraded[places[number + 1]] != masqueraded[place]:
                words.append(("masq" if masqueraded[place] else "plain") + ("" if last else ","))
        return " ".join(words) + (" sticky" if sticky else "")

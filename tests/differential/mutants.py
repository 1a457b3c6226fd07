"""References that are wrong in one rule each. A comparison that is worth anything finds each of them."""

from reference import CLUSTER_IP, NODE_PORT, VIP, Reference, inside, parsed, prefix


class ServesOtherProxies(Reference):
    def is_served(self, service):
        without_labels = {**service, "metadata": {**service["metadata"], "labels": {}}}
        return super().is_served(without_labels)


class ReadsProxyMode(Reference):
    def vips(self, service):
        for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", ()):
            entry = {k: v for k, v in entry.items() if k != "ipMode"}
            yield from super().vips({"status": {"loadBalancer": {"ingress": [entry]}}})


class CountsLocalForEveryType(Reference):
    def external_local(self, spec):
        return spec.get("externalTrafficPolicy") == "Local"


class ReadsOnlyOwnFamilysRanges(Reference):
    def source_ranges(self, spec, version):
        ranges = [n for n in parsed(prefix, spec.get("loadBalancerSourceRanges"))
                  if n.version == version]
        return ranges or None


class FallsBackToUnready(Reference):
    def state(self, conditions):
        return super().state(conditions) or "ST"


class TakesTerminatingAsReady(Reference):
    def cluster_set(self, endpoints):
        return self.near([e for e in endpoints if e.state])


class HasNoLocalFallback(Reference):
    def local_set(self, endpoints):
        return [e for e in endpoints if e.local and e.state == "R"]


class FallsBackToTheWholeCluster(Reference):
    def local_set(self, endpoints):
        return super().local_set(endpoints) or self.cluster_set(endpoints)


class IgnoresNodeHints(Reference):
    def near(self, ready):
        return super().near([e._replace(nodes=()) for e in ready])


class WantsOneHintOnly(Reference):
    def near(self, ready):
        return [e for e in ready if self.zone in e.zones] or ready


class FiltersTerminatingByTopology(Reference):
    def cluster_set(self, endpoints):
        return self.near(super().cluster_set(endpoints))


class LastSliceWins(Reference):
    def merge(self, found, entry, number):
        known = dict(found)
        found.clear()
        super().merge(found, entry, number)
        found.update({key: value for key, value in known.items() if key not in found})


class TakesAnyPortName(Reference):
    def slice_ports(self, item, port):
        return [p["port"] for p in item.get("ports") or () if p.get("port")]


class LetsTheYoungerWin(Reference):
    def precedence(self, service):
        return tuple(tuple(-ord(c) for c in text) for text in super().precedence(service))


class PutsNodePortsFirst(Reference):
    def find(self, protocol, destination, port):
        if self.accepts_node_ports(destination):
            found = self.families[destination.version][0].get((None, protocol, port))
            if found:
                return found
        return super().find(protocol, destination, port)


class AcceptsNodePortsEverywhere(Reference):
    def accepts_node_ports(self, place):
        return self.is_own(place) and not place.is_loopback


class AcceptsNodePortsOnLoopback(Reference):
    def accepts_node_ports(self, place):
        return place.is_loopback or super().accepts_node_ports(place)


class TakesTheLastAddressAsPrimary(Reference):
    def read_own_addresses(self):
        return super().read_own_addresses()[::-1]


class GuardsExternalIPs(Reference):
    def frontends(self, service, port, cluster_ip, served):
        for kind, place, number in super().frontends(service, port, cluster_ip, served):
            yield kind if kind in (CLUSTER_IP, NODE_PORT) else VIP, place, number


class LetsTheBalancerInAlways(Reference):
    def is_let_in(self, served, source):
        return super().is_let_in(served, source) or source in served.vips


class AsksForThePrimaryAddressOnly(Reference):
    def is_let_in(self, served, source):
        every, primary = self.own_addresses, self.primary(source.version)
        self.own_addresses = [primary] if primary else []
        try:
            return super().is_let_in(served, source)
        finally:
            self.own_addresses = every


class KnowsNoPods(Reference):
    def is_pod(self, source, interface):
        return False


class TakesTheHostForAPod(Reference):
    def is_pod(self, source, interface):
        return super().is_pod(source, interface) or self.is_own(source)


class MasqueradesWithoutDetector(Reference):
    def to_cluster_ip(self, served, origin, detects):
        return super().to_cluster_ip(served, origin, True)


class MasqueradesAllOfAll(Reference):
    def to_external(self, served, origin):
        eligible, masquerade = super().to_external(served, origin)
        return eligible, masquerade or self.options["nftables"]["masqueradeAll"]


class SendsPodsToLocalOnly(Reference):
    def to_external(self, served, origin):
        return super().to_external(served, "outside" if origin == "pod" else origin)


class ForgetsTheHairpin(Reference):
    def is_masqueraded(self, endpoint, source, by_host, masquerade):
        return super().is_masqueraded(endpoint._replace(local=False), source, by_host, masquerade)


class MasqueradesWhatIsDelivered(Reference):
    def is_masqueraded(self, endpoint, source, by_host, masquerade):
        return super().is_masqueraded(endpoint, source, True, masquerade)


class DropsWhereThereIsNobody(Reference):
    def outcome(self, flow):
        told = super().outcome(flow)
        return "drop" if told in ("reset", "unreachable") else told


class RejectsUnallocatedAddresses(Reference):
    def without_frontend(self, destination, refusal):
        told = super().without_frontend(destination, refusal)
        return refusal if told == "drop" else told


class LeavesUndefinedPortsAlone(Reference):
    def without_frontend(self, destination, refusal):
        in_range = any(inside(destination, network) for network in self.service_cidrs)
        return "drop" if in_range else "untouched"


MUTANTS = tuple(value for value in list(globals().values())
                if isinstance(value, type) and issubclass(value, Reference) and value is not Reference)

"""Cases of a corpus of expectations: a cluster, a node's options, and where connections are to go.

Each folder writes its cases in its own way; all of them become Cases, made of what golden cases are
made of. README.md tells of the folders.
"""

import dataclasses
import ipaddress
import json
import pathlib
import re

from case import NodeFacts, canonical, parse_flow

FOLDERS = ("nftables", "topology_e2e", "topology", "endpoints")

# Where a case tells nothing of its own.
NODE_ADDRESS = "192.168.0.2"
CLUSTER_CIDR = "10.0.0.0/8"
SERVICE_CIDR = "172.30.0.0/16"
POD = "10.255.255.254"  # no case has an endpoint there

# As of tests/packets: leave the rest of the machine alone.
OPTIONS = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
"""


@dataclasses.dataclass
class Case:
    """One state of a cluster. The states of one test follow each other on one node."""

    test: str
    step: int
    node: NodeFacts
    options: str
    objects: dict  # how they are written -> a list of objects
    flows: list

    @property
    def name(self):
        return f"{self.test}/step{self.step}"


def read_cases(root):
    """Lists of Cases, each the states of one test in their order."""
    tests = {}
    for folder in FOLDERS:
        for path in sorted((pathlib.Path(root) / folder).glob("*.json")):
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
            read = {"topology": topology_states, "endpoints": endpoint_states}
            for case in read.get(folder, flow_states)(f"{folder}/{path.stem}", data):
                tests.setdefault(case.test, []).append(case)
    return [sorted(cases, key=lambda c: c.step) for _, cases in sorted(tests.items())]


# --- nftables/ and topology_e2e/: objects and flows


def flow_states(stem, data):
    test, _, step = stem.rpartition("_step")
    proxier = data["proxier"]
    detector = proxier["localDetector"]
    added = [service_cidr(proxier["serviceCIDRs"])]
    flows = {}
    # Where a generated expectation is not what a handmade one is, the latter counts.
    for written in data["flows"] + data["derivedFlows"]:
        text = flow_text(written)
        flows.setdefault(tuple(text.split()[:2]), parse_flow(len(flows) + 1, text))
    yield Case(
        test, int(step), NodeFacts(interface_addresses(proxier), ()),
        options(proxier["nodeName"], detector.get("clusterCIDR"), proxier["nodePortAddresses"],
                proxier["masqueradeAll"], proxier["masqueradeBit"]),
        {key: data[key]["items"] + added for key in ("objects", "objectsDefaulted")},
        list(flows.values()))


def interface_addresses(proxier):
    written = [a for i in proxier["networkInterfaces"] if i["name"] != "lo" for a in i["addresses"]]
    return tuple(str(ipaddress.ip_interface(address).ip) for address in written)


def flow_text(written):
    protocol = written["protocol"].lower()
    output, masquerade = written["expectOutput"], written.get("expectMasqPerEndpoint")
    if output == "REJECT":
        outcome = "reset" if protocol == "tcp" else "unreachable"
    elif output in ("", "DROP"):
        outcome = output.lower() or "untouched"
    else:
        endpoints = [decimal(endpoint) for endpoint in output.split(", ")]
        masquerade = masquerade or dict.fromkeys(endpoints, written["expectMasq"])
        outcome = outcome_text({decimal(e): m for e, m in masquerade.items() if decimal(e) in endpoints})
        outcome += " sticky" if written.get("affinity") else ""
    return line(written["sourceIP"], protocol, decimal(written["destIP"]), written["destPort"], outcome)


def outcome_text(masquerade):
    ordered = sorted(masquerade, key=lambda e: (ipaddress.ip_address(canonical(e.rpartition(":")[0])),
                                                int(e.rpartition(":")[2])))
    return ", ".join(f"{e} {'masq' if masquerade[e] else 'plain'}" for e in ordered)


def line(source, protocol, address, port, outcome):
    address = f"[{canonical(address)}]" if ":" in address else address
    return f"{source} {protocol}:{address}:{port} {outcome}"


def decimal(text):
    """IPv4 octets without the leading zeros that a snapshot may have them with."""
    return text if text.count(":") > 1 else re.sub(r"\b0+(?=\d)", "", text)


# --- topology/ and endpoints/: tables of endpoints
#
# A Service port's endpoints are seen through a Service whose ClusterIP leads to those of this node
# and whose external address leads to those of the cluster.


def topology_states(stem, data):
    expected, service = data["expect"], data["service"]
    slice_ports = {}
    for endpoint in data["endpoints"] or []:
        address, _, port = endpoint["endpoint"].rpartition(":")
        slice_ports.setdefault(int(port), []).append({
            "addresses": [address],
            "conditions": {k: endpoint[k] for k in ("ready", "serving", "terminating")},
            "nodeName": data["nodeName"] or "test-node" if endpoint["isLocal"] else "another-node",
            "hints": {"forZones": [{"name": n} for n in endpoint["zoneHints"] or ()],
                      "forNodes": [{"name": n} for n in endpoint["nodeHints"] or ()]}})
    slices = [endpoint_slice("ns", "svc", number, "IPv4", [("p80", "TCP", port)], endpoints)
              for number, (port, endpoints) in enumerate(slice_ports.items())]
    sets = {"local": expected["localEndpoints"] if service["usesLocalEndpoints"] else None,
            "cluster": expected["clusterEndpoints"] if service["usesClusterEndpoints"] else None,
            "any": expected["hasAnyEndpoints"]}
    yield table_case(stem, 1, "IPv4", data["nodeName"] or "test-node", data["nodeLabels"], slices,
                     {"ns/svc:p80/TCP": sets})


def endpoint_states(stem, data):
    """The state before, where there is one, and the state after."""
    kind = data["kind"]
    if kind == "updateEndpointsMap":
        states = [(data["previousSlices"], data["expectedPrevious"]),
                  (data["currentSlices"], data["expected"])]
    elif kind == "sliceUpdate":
        kept = [s for s in data["startingSlices"] or ()
                if not data["slice"] or slice_key(s) != slice_key(data["slice"])]
        after = kept if data["remove"] else [*kept, data["slice"]]
        changed = data["expectedCurrent"] if data["expectChanged"] else \
            table_of(data["startingSlices"], data["nodeName"])
        states = [(after, changed)]
    else:
        expected = {key: list(value.values()) if isinstance(value, dict) else value
                    for key, value in data["expected"].items()}
        slices = {slice_key(s): s for s in data["slices"]}  # later ones replace earlier ones
        states = [(list(slices.values()), expected)]
    ports = {key for slices, expected in states for key in [*(expected or ()), *ports_of(slices)]}
    if "service" in data:  # slices of others are there to be left alone
        ports = {key for key in ports if key.partition(":")[0] == data["service"]}
    for step, (slices, expected) in enumerate(states, 1):
        sets = {key: endpoint_sets((expected or {}).get(key) or []) for key in ports}
        yield table_case(stem, step, "IPv4", data["nodeName"] or "test-node", {},
                         [s for s in slices or () if s], sets)


def ports_of(slices):
    for written in filter(None, slices or ()):
        metadata = written["metadata"]
        for port in written["ports"] or ():
            yield (f'{metadata["namespace"]}/{metadata["labels"]["kubernetes.io/service-name"]}'
                   f':{port["name"]}/{port["protocol"]}')


def table_of(slices, node_name):
    """Service port -> its endpoints, of slices that agree with each other."""
    table = {}
    for written in slices:
        for key, port in zip(ports_of([written]), written["ports"]):
            for endpoint in written["endpoints"]:
                place = f'{endpoint["addresses"][0]}:{port["port"]}'
                table.setdefault(key, {})[place] = {
                    "endpoint": place, "isLocal": endpoint["nodeName"] == node_name,
                    **endpoint["conditions"]}
    return {key: list(endpoints.values()) for key, endpoints in table.items()}


def slice_key(written):
    return written["metadata"]["namespace"], written["metadata"]["name"]


def endpoint_sets(endpoints):
    def usable(candidates):
        ready = [e for e in candidates if e.get("ready", True)]
        waning = [e for e in candidates if e.get("serving", True) and e.get("terminating")]
        return [e["endpoint"] for e in ready or waning]

    return {"cluster": usable(endpoints), "local": usable([e for e in endpoints if e["isLocal"]]),
            "any": bool(usable(endpoints))}


def table_case(stem, step, family, node_name, labels, slices, sets):
    """`sets`: Service port -> its expected endpoints; those not told of (None) are not looked at."""
    services, flows = {}, []
    for number, (key, expected) in enumerate(sorted(sets.items()), 1):
        service, _, rest = key.partition(":")
        port_name, _, protocol = rest.partition("/")
        address = len(services) + 1 if service not in services else services[service][0]
        services.setdefault(service, (address, []))[1].append((port_name, protocol, 1000 + number))
        for kind, place in (("local", f"172.30.0.{address}"), ("cluster", f"198.51.100.{address}")):
            if expected[kind] is None:
                continue
            refused = "reset" if protocol == "TCP" else "unreachable"
            none = "drop" if expected["any"] and kind == "local" else refused
            outcome = outcome_text(dict.fromkeys(expected[kind], kind == "cluster")) or none
            flows.append(parse_flow(len(flows) + 1,
                                    line(POD, protocol.lower(), place, 1000 + number, outcome)))
    objects = [node(node_name, labels), service_cidr([SERVICE_CIDR]), *slices]
    objects += [both_policies(key, *value) for key, value in services.items()]
    return Case(stem, step, NodeFacts((NODE_ADDRESS,), ()), options(node_name, CLUSTER_CIDR),
                {"objects": objects}, flows)


def both_policies(key, number, ports):
    namespace, _, name = key.partition("/")
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": f"172.30.0.{number}", "externalIPs": [f"198.51.100.{number}"],
                 "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Cluster",
                 "ports": [{"name": port_name, "protocol": protocol, "port": port}
                           for port_name, protocol, port in ports]}}


def endpoint_slice(namespace, service, number, family, ports, endpoints):
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"namespace": namespace, "name": f"{service}-{number}",
                     "labels": {"kubernetes.io/service-name": service}},
        "addressType": family, "endpoints": endpoints,
        "ports": [{"name": n, "protocol": protocol, "port": port} for n, protocol, port in ports]}


# --- what all of them need


def node(name, labels):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
            "status": {"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}]}}


def service_cidr(cidrs):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
            "metadata": {"name": "kubernetes"}, "spec": {"cidrs": cidrs}}


def options(node_name, cluster_cidr, node_port_addresses=(), masquerade_all=False, bit=14):
    text = OPTIONS + f"hostnameOverride: {node_name}\n"
    text += f"nftables: {{masqueradeAll: {str(masquerade_all).lower()}, masqueradeBit: {bit}}}\n"
    if cluster_cidr:
        text += f"clusterCIDR: {cluster_cidr}\n"
    if node_port_addresses:
        text += f"nodePortAddresses: {json.dumps(list(node_port_addresses))}\n"
    return text

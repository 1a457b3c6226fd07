"""Services as scenarios write them, and the Kubernetes objects they stand for.

A Service gets its addresses by number: the third of a scenario has ClusterIP 10.96.0.3 and
fd00:96::3, load balancer address 10.97.0.3 and fd00:97::3, external address 10.98.0.3 and
fd00:98::3, node ports 30030, 30031, ... Its port 80 (81, ...) leads to port 8080 (8081, ...) of its
endpoints, in TCP, UDP and SCTP alike.
"""

import dataclasses
import json

from topology import ADDRESSES, host_of

KEYS = {"ports", "protocols", "families", "endpoints", "cluster-ip", "vip", "external", "node-port",
        "ip-mode", "itp", "etp", "affinity", "ranges"}
HEALTH_PORTS = 32000  # and up: what load balancers of policy Local ask, by the Service's number


# What the Node object lists: `kpcompile explain` knows the node's addresses from nowhere else.
NODE_ADDRESSES = [name for name in ADDRESSES if host_of(name) == "node-a" and name != "loopback"]


def address_pair(value):
    """A name of the address book, or "IPv4,IPv6"."""
    return ADDRESSES[value] if value in ADDRESSES else tuple(value.split(","))


@dataclasses.dataclass
class Service:
    name: str
    number: int
    keys: dict  # of KEYS; flags have the value ""

    def changed(self, words):
        """The Service with further or different keys; "-key" takes one away."""
        keys = dict(self.keys)
        for word in words:
            key, _, value = word.partition("=")
            if key.lstrip("-") not in KEYS:
                raise ValueError(f"unknown key {key}, not one of {' '.join(sorted(KEYS))}")
            if key.startswith("-"):
                keys.pop(key[1:], None)
            else:
                keys[key] = value
        return Service(self.name, self.number, keys)

    def get(self, key, default):
        return self.keys.get(key, default).split(",")

    @property
    def ports(self):
        return [int(port) for port in self.get("ports", "80")]

    @property
    def protocols(self):
        return self.get("protocols", "tcp,udp,sctp")

    @property
    def families(self):
        return [int(family) for family in self.get("families", "4,6")]

    @property
    def sticky(self):
        return "affinity" in self.keys

    def address(self, kind, family):
        """`kind` is "cluster-ip", "vip" or "external"."""
        if self.keys.get(kind):
            return address_pair(self.keys[kind])[family == 6]
        subnet = {"cluster-ip": 96, "vip": 97, "external": 98}[kind]
        return f"10.{subnet}.0.{self.number}" if family == 4 else f"fd00:{subnet}::{self.number}"

    def frontends(self):
        """All its addresses."""
        kinds = ["cluster-ip", *(kind for kind in ("vip", "external") if kind in self.keys)]
        return [self.address(kind, family) for kind in kinds for family in self.families]

    def node_port(self, port):
        return 30000 + 10 * self.number + self.ports.index(port)

    def endpoint_names(self):
        return [word.split("/")[0] for word in self.get("endpoints", "") if word]

    def objects(self):
        return [self.service(), *(self.slice(family) for family in self.families)]

    def service(self):
        addresses = [self.address("cluster-ip", family) for family in self.families]
        balanced, node_ports = "vip" in self.keys, "node-port" in self.keys
        spec = {
            "type": "LoadBalancer" if balanced else "NodePort" if node_ports else "ClusterIP",
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilies": [f"IPv{family}" for family in self.families],
            "ipFamilyPolicy": "RequireDualStack" if len(addresses) == 2 else "SingleStack",
            "internalTrafficPolicy": self.keys.get("itp", "Cluster"),
            "ports": [],
        }
        for port in self.ports:
            for protocol in self.protocols:
                entry = {"name": f"{protocol}-{port}", "protocol": protocol.upper(), "port": port}
                if node_ports:
                    entry["nodePort"] = self.node_port(port)
                spec["ports"].append(entry)
        if "external" in self.keys:
            spec["externalIPs"] = [self.address("external", family) for family in (4, 6)]
        if balanced or node_ports or "external" in self.keys:
            spec["externalTrafficPolicy"] = self.keys.get("etp", "Cluster")
            if balanced and spec["externalTrafficPolicy"] == "Local":
                spec["healthCheckNodePort"] = HEALTH_PORTS + self.number
        if "ranges" in self.keys:
            spec["loadBalancerSourceRanges"] = self.get("ranges", "")
        if self.sticky:
            spec["sessionAffinity"] = "ClientIP"
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": int(self.keys["affinity"])}}
        ingress = [{"ip": self.address("vip", family), "ipMode": self.keys.get("ip-mode", "VIP")}
                   for family in (4, 6)] if balanced else []
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "namespace": "default",
                "name": self.name,
                "creationTimestamp": f"2025-01-01T00:00:{self.number:02}Z",
            },
            "spec": spec,
            "status": {"loadBalancer": {"ingress": ingress}},
        }

    def slice(self, family):
        endpoints = []
        for word in filter(None, self.get("endpoints", "")):
            name, *marks = word.split("/")
            if ("4" in marks and family == 6) or ("6" in marks and family == 4):
                continue
            endpoints.append(endpoint(name, family, marks))
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "default",
                "name": f"{self.name}-ipv{family}",
                "labels": {"kubernetes.io/service-name": self.name},
            },
            "addressType": f"IPv{family}",
            "ports": [{"name": f"{protocol}-{port}", "protocol": protocol.upper(), "port": 8000 + port}
                      for port in self.ports for protocol in self.protocols],
            "endpoints": endpoints,
        }


def endpoint(name, family, marks):
    """Marks: terminating, published (though terminating), unready, zone=NAME, node=NAME (hints), 4 or 6 (only there)."""
    made = {"addresses": [ADDRESSES[name][family == 6]],
            "conditions": {"ready": True, "serving": True, "terminating": False}}
    host = host_of(name)
    if host[0] in "ab" and host[1:].isdigit() or host.startswith("node-"):
        made["nodeName"] = host if host.startswith("node-") else "node-" + host[0]
    for mark in marks:
        kind, _, value = mark.partition("=")
        if kind == "terminating":
            made["conditions"] = {"ready": False, "serving": True, "terminating": True}
        elif kind == "published":
            made["conditions"] = {"ready": True, "serving": True, "terminating": True}
        elif kind == "unready":
            made["conditions"] = {"ready": False, "serving": False, "terminating": False}
        elif kind in ("zone", "node"):
            made.setdefault("hints", {}).setdefault(f"for{kind.title()}s", []).append({"name": value})
        elif kind not in ("4", "6"):
            raise ValueError(f"unknown mark {mark} of endpoint {name}")
    return made


def node(name, zone, pod_cidrs, addresses):
    listed = [{"type": "InternalIP", "address": address} for pair in addresses for address in ADDRESSES[pair]]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        "spec": {"podCIDR": pod_cidrs[0], "podCIDRs": pod_cidrs},
        "status": {"addresses": [{"type": "Hostname", "address": name}, *listed]},
    }


def snapshot(services, service_cidrs):
    """The cluster as text, the way `kubectl get -o json` gives it."""
    items = [
        node("node-a", "zone-a", ["10.244.1.0/24", "fd00:244:1::/64"], NODE_ADDRESSES),
        node("node-b", "zone-b", ["10.244.2.0/24", "fd00:244:2::/64"], ["node-b"]),
    ]
    if service_cidrs:
        items.append({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "ServiceCIDR",
            "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": service_cidrs},
        })
    for service in services:
        items += service.objects()
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1) + "\n"


# What every scenario's options begin with: leave the rest of the machine alone, and be quick.
CONFIGURATION = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: node-a
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
"""

"""The small world that packets travel in: two nodes, their pods, a client outside, and the rest.

    client ───┐
    beyond ───┤ switch ─── node-a ─┬─ cali0001 ─ a1      beyond: node-a's default gateway, which
    node-b ───┘                    ├─ cali0002 ─ a2      answers on every address that nobody has
      │                            ├─ cali0003 ─ a3
      └─ b1, b2, b3                └─ cni0 (bridge) ─ a4

Each is a network namespace of its own. Everything has an IPv4 and an IPv6 address and can reach
everything else through plain routing; all that is not on the link goes by node-a, where the proxy
runs.
"""

import ipaddress

from namespaces import ROUTER, Namespaces, run

# The addresses of each name, IPv4 and IPv6. "host.something" is a further address of that host.
ADDRESSES = {
    "node-a": ("192.168.0.10", "fd00:192::10"),
    "node-a.second": ("192.168.1.10", "fd00:193::10"),
    "node-a.lo": ("10.104.0.10", "fd00:104::10"),  # on the loopback interface
    "node-a.vip": ("10.104.0.97", "fd00:104::97"),  # likewise; a load balancer's address on the node
    "node-a.gateway": ("10.244.1.1", "fd00:244:1::1"),  # what its pods know it by
    "loopback": ("127.0.0.1", "::1"),
    "node-b": ("192.168.0.11", "fd00:192::11"),
    "client": ("203.0.113.10", "fd00:203::10"),
    "client.other": ("203.0.113.200", "fd00:203::1:200"),
    "beyond": ("192.168.0.1", "fd00:192::1"),
    "beyond.service-cidr": ("10.96.200.1", "fd00:96::200:1"),  # no ClusterIP, but of their range
    "beyond.elsewhere": ("10.98.200.1", "fd00:98::200:1"),
}
# Pods, and the interface of their node that each is behind.
PODS = {
    "a1": "cali0001",
    "a2": "cali0002",
    "a3": "cali0003",
    "a4": "cni0",
    "b1": "eth-b1",
    "b2": "eth-b2",
    "b3": "eth-b3",
}
for pod in PODS:
    subnet, number = "12"[pod[0] == "b"], "1" + pod[1]
    ADDRESSES[pod] = (f"10.244.{subnet}.{number}", f"fd00:244:{subnet}::{number}")

# Many clients: addresses of the client's namespace, for what is remembered by client address.
CLIENTS = [(f"203.0.113.{n}", f"fd00:203::{n}") for n in range(20, 52)]

# What `beyond` answers for: Service addresses of all kinds live here.
ANY_ADDRESS = ("10.96.0.0/13", "fd00:90::/28")


def host_of(name):
    """The namespace that has the address of this name."""
    return "node-a" if name == "loopback" else "client" if name == "clients" else name.partition(".")[0]


def masquerade_sources(endpoint):
    """Addresses that a connection may bear once masqueraded on its way to an endpoint: those of the
    interface by which it leaves node-a."""
    if endpoint == "node-a":
        names = [name for name in ADDRESSES if host_of(name) == "node-a"]
    elif endpoint in PODS and endpoint[0] == "a":
        names = ["node-a.gateway"]
    else:
        names = ["node-a", "node-a.second"]
    return {address for name in names for address in ADDRESSES[name]}


def incoming_interface(sender):
    """The interface by which a sender's packets come to node-a; nothing for its own."""
    host = host_of(sender)
    if host == "node-a":
        return ""
    return PODS[host] if host in PODS and host[0] == "a" else "eth0"


def width(address):
    return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"


def on(device, *names, lengths=None):
    """Lines that give a device the addresses of these names."""
    lines = []
    for name in names:
        for index, address in enumerate(ADDRESSES[name]):
            length = lengths[index] if lengths else ipaddress.ip_address(address).max_prefixlen
            lines.append(f"address add {address}/{length} dev {device}" + (" nodad" if index else ""))
    return lines


def default_route(device, gateway):
    return [line for address in ADDRESSES[gateway]
            for line in (f"route replace {width(address)} dev {device}",
                         f"route add default via {address} dev {device}")]


class Topology(Namespaces):
    """As drawn above."""

    def __init__(self):
        super().__init__("switch", "node-a", "node-b", "client", "beyond", *PODS)

    def build(self):
        super().build()
        for node in ("node-a", "node-b"):
            self[node].sysctl(ROUTER)
        self.connect()
        self.switch()
        self.node_a()
        self.node_b()
        self.outside()
        for pod in PODS:
            self.pod(pod)

    def connect(self):
        cables = [("switch", host, host, "eth0") for host in ("node-a", "node-b", "client", "beyond")]
        for pod, device in PODS.items():
            cables.append(("node-" + pod[0], device if device != "cni0" else "port-" + pod, pod, "eth0"))
        run(["ip", "-batch", "-"], "".join(
            f"link add name {near_device} netns {self[near].name} type veth "
            f"peer name {far_device} netns {self[far].name}\n"
            for near, near_device, far, far_device in cables))
        for host in self.namespaces:
            devices = [device for near, device, _, _ in cables if near == host]
            devices += [device for _, _, far, device in cables if far == host]
            self[host].configure([f"link set {device} up" for device in ["lo", *devices]])

    def switch(self):
        lines = ["link add name lan type bridge"]
        lines += [f"link set {host} master lan" for host in ("node-a", "node-b", "client", "beyond")]
        self["switch"].configure(lines + ["link set lan up"])

    def node_a(self):
        lines = on("eth0", "node-a", "node-a.second", lengths=(24, 64))
        lines += on("lo", "node-a.lo", "node-a.vip")
        # Hairpin, as bridge plugins for pods have it: where br_netfilter is loaded, DNAT happens in the
        # bridge, and a pod that meets itself leaves by the port it came from.
        lines += ["link add name cni0 type bridge", "link set port-a4 master cni0",
                  "link set port-a4 type bridge_slave hairpin on", "link set cni0 up"]
        for pod, device in PODS.items():
            if pod[0] == "a":
                lines += on(device, "node-a.gateway")
                lines += [f"route add {width(address)} dev {device}" for address in ADDRESSES[pod]]
        lines += ["route add 203.0.113.0/24 dev eth0", "route add fd00:203::/64 dev eth0"]
        for subnet, gateway in zip(("10.244.2.0/24", "fd00:244:2::/64"), ADDRESSES["node-b"]):
            lines.append(f"route add {subnet} via {gateway}")
        self["node-a"].configure(lines + default_route("eth0", "beyond"))

    def node_b(self):
        lines = on("eth0", "node-b", lengths=(24, 64))
        for pod, device in PODS.items():
            if pod[0] == "b":
                lines += [f"address add 10.244.2.1/32 dev {device}",
                          f"address add fd00:244:2::1/128 dev {device} nodad"]
                lines += [f"route add {width(address)} dev {device}" for address in ADDRESSES[pod]]
        self["node-b"].configure(lines + default_route("eth0", "node-a"))

    def outside(self):
        lines = on("eth0", "client", "client.other", lengths=(24, 64))
        for four, six in CLIENTS:
            lines += [f"address add {four}/24 dev eth0", f"address add {six}/64 dev eth0 nodad"]
        self["client"].configure(lines + default_route("eth0", "node-a"))
        lines = on("eth0", "beyond", lengths=(24, 64))
        lines += [f"route add local {prefix} dev lo" for prefix in ANY_ADDRESS]
        self["beyond"].configure(lines + default_route("eth0", "node-a"))

    def pod(self, pod):
        gateway = ADDRESSES["node-a.gateway"] if pod[0] == "a" else ("10.244.2.1", "fd00:244:2::1")
        lines = on("eth0", pod)
        for address in gateway:
            lines += [f"route add {width(address)} dev eth0", f"route add default via {address} dev eth0"]
        self[pod].configure(lines)

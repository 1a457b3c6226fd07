"""A node between its clients and its pods: three network namespaces in a row, each end with as many
addresses as one likes."""

from namespaces import ROUTER, Namespaces, run

# What is behind the node: (IPv4, IPv6) prefixes, all of whose addresses are there.
RANGES = {"pods": ("10.244.0.0/16", "fd00:244::/32"), "clients": ("10.245.0.0/16", "fd00:245::/32")}
LINKS = {"pods": "169.254.244.{}", "clients": "169.254.245.{}"}
LINKS6 = {"pods": "fd00:169:244::{}", "clients": "fd00:169:245::{}"}
MAC = "02:00:00:00:0{}:{}"
CLUSTER_CIDR = "10.244.0.0/15,fd00:244::/31"  # both are pods
END = {"net/ipv6/ip_nonlocal_bind": "1", "net/ipv4/ip_local_port_range": "32768 60999"}


class World(Namespaces):
    """`node` is where the proxy goes, `pods` and `clients` hold all of their ranges."""

    def __init__(self, ranges=RANGES):
        super().__init__("node", *ranges)
        self.ranges = ranges

    def build(self):
        super().build()
        self.node, self.pods, self.clients = self["node"], self["pods"], self["clients"]
        self.node.sysctl(ROUTER)
        self.node.configure(["link set lo up"])
        for host, ranges in self.ranges.items():
            self.connect(host, self[host], ranges)

    def connect(self, host, end, ranges):
        four, six = LINKS[host], LINKS6[host]
        near, far = (MAC.format(side, four[len("169.254.2"):][:2]) for side in (1, 2))
        run(["ip", "link", "add", "name", host, "address", near, "netns", self.node.name, "type", "veth",
             "peer", "name", "eth0", "address", far, "netns", end.name])
        # Nobody has to ask for neighbours, which would delay the first packets.
        self.node.configure([
            f"address add {four.format(1)}/24 dev {host}", f"address add {six.format(1)}/64 dev {host} nodad",
            f"link set {host} up",
            *(f"neighbour add {one.format(2)} lladdr {far} nud permanent dev {host}" for one in (four, six)),
            f"route add {ranges[0]} via {four.format(2)}", f"route add {ranges[1]} via {six.format(2)}"])
        end.sysctl(END)
        end.configure([
            "link set lo up",
            f"address add {four.format(2)}/24 dev eth0", f"address add {six.format(2)}/64 dev eth0 nodad",
            "link set eth0 up",
            *(f"neighbour add {one.format(1)} lladdr {near} nud permanent dev eth0" for one in (four, six)),
            *(f"route add local {one} dev lo" for one in ranges),
            f"route add default via {four.format(1)}", f"route add default via {six.format(1)}"])

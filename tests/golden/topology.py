"""A node and the world around it, as two network namespaces joined by virtual cables.

The node's namespace has the node's addresses on eth0, behind which all the world is, and the first
address of each pod range on cni0, behind which its own pods are. The other ends of all its
interfaces are in one peer namespace without addresses: packet sockets there play pods, other nodes
and clients, and see what the node sends them.
"""

import fcntl
import ipaddress
import socket
import struct

from namespaces import Namespaces, run

ETH_P_ALL = 3
SENDER = b"\x02\0\0\0\0\1"  # an address of nobody's hardware
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
SIOCGIFHWADDR = 0x8927

# A router that answers every refused packet (the kernel limits ICMP errors), and that forwards what
# comes in by whatever interface.
NODE_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv6/icmp/ratemask": "",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
}
PEER_SETTINGS = {"net/ipv6/conf/all/disable_ipv6": "1", "net/ipv6/conf/default/disable_ipv6": "1"}


class Topology(Namespaces):
    """As said above; `interfaces` are further ones of the node's."""

    def __init__(self, node, interfaces=()):
        super().__init__("node", "peer")
        self.facts = node
        self.interfaces = ["eth0", "cni0", *sorted(set(interfaces) - {"eth0", "cni0"})]
        self.host_addresses = {"127.0.0.1", "::1", *node.addresses}
        self.own_addresses = set(self.host_addresses)  # with those of cni0
        self.pod_networks = [ipaddress.ip_network(c) for c in node.pod_cidrs]
        self.sockets = []

    def __exit__(self, *_):
        for opened in self.sockets:
            opened.close()
        super().__exit__()

    def build(self):
        super().build()
        self.node, self.peer = self["node"], self["peer"]
        self.node.sysctl(NODE_SETTINGS)
        self.peer.sysctl(PEER_SETTINGS)
        links = ["link set lo up"]
        for number, interface in enumerate(self.interfaces):
            links += [f"link add {interface} type veth peer name peer{number} netns {self.peer.name}",
                      f"link set {interface} up arp off"]
        addresses = [(a, "eth0", 0) for a in self.facts.addresses]
        for network in self.pod_networks:
            gateway = str(network.network_address + 1)
            self.own_addresses.add(gateway)
            addresses.append((gateway, "cni0", network.prefixlen))
        commands = {4: [], 6: []}
        for address, interface, length in addresses:
            version = ipaddress.ip_address(address).version
            length = length or (32 if version == 4 else 128)
            commands[version].append(f"address add {address}/{length} dev {interface}"
                                     + (" nodad" if version == 6 else ""))
        for version in commands:
            commands[version].append("route add default dev eth0")
        self.node.configure(links + commands[4])
        self.node.configure(commands[6], "-6")
        self.peer.configure([f"link set peer{n} up arp off" for n in range(len(self.interfaces))])
        self.open_sockets()

    def open_sockets(self):
        # The node's ends: whole packets from the host, and what is delivered to the host.
        self.host = {4: self.open(self.node, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                     6: self.open(self.node, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}
        self.delivered = {}
        for family, icmp in ((socket.AF_INET, 1), (socket.AF_INET6, 58)):
            for protocol in (6, 17, 132, icmp):
                receiver = self.open(self.node, family, socket.SOCK_RAW, protocol)
                if family == socket.AF_INET6:
                    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                self.delivered[receiver] = (family, protocol)
        # The other ends of the node's interfaces.
        self.wires, self.hardware = {}, {}
        for number, interface in enumerate(self.interfaces):
            wire = self.open(self.peer, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            wire.bind((f"peer{number}", ETH_P_ALL))
            self.wires[interface] = wire
            with self.node.entered():
                self.hardware[interface] = hardware_address(interface)

    def open(self, namespace, *arguments):
        opened = namespace.socket(*arguments)
        self.sockets.append(opened)
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        return opened

    def execute(self, arguments):
        """Runs a program in the node's namespace."""
        return run(self.node.command(*arguments))

    def side_of(self, source, interface):
        """The interface by which packets of that source come in; None: the host sends them."""
        if interface:
            return interface
        if source in self.host_addresses:
            return None
        address = ipaddress.ip_address(source)
        return "cni0" if any(address in network for network in self.pod_networks) else "eth0"

    def send(self, side, destination, packet):
        version = packet[0] >> 4
        try:
            if side is None:
                self.host[version].sendto(packet, (destination, 0))
            else:
                ethertype = struct.pack("!H", ETHERTYPE[version])
                self.wires[side].send(self.hardware[side] + SENDER + ethertype + packet)
        except PermissionError:
            pass  # dropped or refused on its way out of the host: what is seen tells which


def hardware_address(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("256s", interface.encode())
        return fcntl.ioctl(any_socket.fileno(), SIOCGIFHWADDR, request)[18:24]

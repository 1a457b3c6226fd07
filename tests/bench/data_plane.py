#!/usr/bin/env python3
"""What Services cost packets: new connections at any number of Services, and established flows.

  tests/bench/data_plane.py BUILD                         10, 1,000, 10,000, 30,000 Services
  tests/bench/data_plane.py BUILD --sizes 10,1000 --repetitions 3

Each row is a world of its own: a client, a node with its table, a pod, in network namespaces, connected by
veth pairs. All worlds are there at once, and a program (traffic.cc) does a little in each in turn, again and
again, so that whatever else this machine does falls upon all alike. Values are medians of five repetitions;
ratios are within a repetition. Rates are by the CPU time of the thread that is client, kernel and pod in
one, times by the clock. Needs root and nft.

BUILD is the folder that cmake built into (a release build). New connections go to the ClusterIPs of 100
Services in turn, or directly to an endpoint of each; the first packet's time is that of connect(), from SYN
to SYN-ACK. The established flow is UDP, from the client through the node to the pod.

What is compared: no table at all; the least there can be if any address is to be translated, which is
connection tracking with one NAT rule; kproxy's table; and a table with chains, maps and filter hooks like
those of kube-proxy in nftables mode (with less in it: it takes long to load).
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / name) for name in ("packets", "load", "network")]

import runner
from namespaces import run
from latency import show
from world import World

# Where generate_cluster puts pods; clients are of the same range, and so count as pods.
CLUSTER_CIDR = "100.64.0.0/10"
RANGES = {"pods": ("100.64.0.0/11", "fd00:244::/32"), "clients": ("100.127.0.0/16", "fd00:245::/32")}
CLIENTS = [f"100.127.0.{n}" for n in range(1, 65)]  # many, so that none needs the same port again soon
ENDPOINTS, SPREAD = 5, 100
POD, FLOW_IP = "100.90.0.1", "10.111.0.1"  # of a Service with UDP
KUBE_PROXY_SERVICES = 1000
LEAST = """
table inet least {
    chain postrouting { type nat hook postrouting priority srcnat; ip saddr 192.0.2.1 masquerade; }
}
"""
URGENT = -10  # other work on this machine comes second


def flow_service():
    """The Service of the established flow: "items" as text."""
    labels = {"kubernetes.io/service-name": "flow"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "default", "name": "flow"},
               "spec": {"type": "ClusterIP", "clusterIP": FLOW_IP, "clusterIPs": [FLOW_IP], "ipFamilies": ["IPv4"],
                        "ports": [{"name": "dns", "protocol": "UDP", "port": 80}]}}
    one = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
           "metadata": {"namespace": "default", "name": "flow-1", "labels": labels},
           "ports": [{"name": "dns", "protocol": "UDP", "port": 8080}],
           "endpoints": [{"addresses": [POD], "conditions": {"ready": True}}]}
    return json.dumps(service) + "," + json.dumps(one) + ","


def load_kproxy(world, options, folder, services):
    made = subprocess.run([options.build / "tests/bench/generate_cluster", "--services", str(services), "--endpoints",
                           str(ENDPOINTS), "--indent", "0"], stdout=subprocess.PIPE, check=True, text=True).stdout
    snapshot = folder / "cluster.json"
    snapshot.write_text(made.replace('"items":[', '"items":[' + flow_service(), 1))
    run(world.node.command(str(options.build / "runtime/kproxy"), "--snapshot", str(snapshot), "--node",
                                    "worker-0", "--cluster-cidr", CLUSTER_CIDR, "--once"))


def address(base, number):
    return ".".join(str(base + number >> shift & 255) for shift in (24, 16, 8, 0))


def cluster_ips(count):
    """Of Services throughout a cluster of that size, as generate_cluster numbers them."""
    return [address(0x0A600001, n * count // min(count, SPREAD)) for n in range(min(count, SPREAD))]


def endpoints(count):
    return [address(0x64400001, n) for n in range(count)]


def like_kube_proxy(count):
    """A table as kube-proxy's is built: chains for each Service and endpoint, and filter hooks."""
    chains, elements = [], []
    services = [(address(0x0A600001, n), "tcp", [address(0x64400001, n * ENDPOINTS + i) for i in range(ENDPOINTS)])
                for n in range(count)] + [(FLOW_IP, "udp", [POD])]
    for number, (ip, protocol, pods) in enumerate(services):
        for i, pod in enumerate(pods):
            chains.append(f"chain endpoint-{number}-{i} {{ ip saddr {pod} jump mark-for-masquerade\n"
                          f"meta l4proto {protocol} dnat to {pod}:8080\n}}")
        choices = ", ".join(f"{i} : goto endpoint-{number}-{i}" for i in range(len(pods)))
        chains.append(f"chain service-{number} {{ ip daddr {ip} {protocol} dport 80 ip saddr != {CLUSTER_CIDR} "
                      f"jump mark-for-masquerade\nnumgen random mod {len(pods)} vmap {{ {choices} }}\n}}")
        elements.append(f"{ip} . {protocol} . 80 : goto service-{number}")
    cluster = ", ".join(ip for ip, _, _ in services)
    key = "type ipv4_addr . inet_proto . inet_service : verdict"
    return "\n".join(["table ip like-kube-proxy {",
                      f"set cluster-ips {{ type ipv4_addr; elements = {{ {cluster} }}\n}}",
                      f"map no-endpoint-services {{ {key}; }}",
                      f"map firewall-ips {{ {key}; }}",
                      "map service-nodeports { type inet_proto . inet_service : verdict; }",
                      "set nodeport-ips { type ipv4_addr; elements = { 169.254.244.1 }; }",
                      "chain mark-for-masquerade { meta mark set meta mark or 0x4000; }", *chains,
                      f"map service-ips {{ {key}; elements = {{ {', '.join(elements)} }}\n}}", KUBE_PROXY_HOOKS, "}"])


KUBE_PROXY_HOOKS = """
chain masquerading {
    meta mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
}
chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
}
chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
chain endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
chain cluster-ips-check { ip daddr @cluster-ips reject; }
chain before-prerouting { type filter hook prerouting priority -110; ct state new jump firewall-check; }
chain before-output { type filter hook output priority -110; ct state new jump firewall-check; }
chain input { type filter hook input priority 0; ct state new jump endpoints-check; }
chain forward {
    type filter hook forward priority 0;
    ct state new jump endpoints-check
    ct state new jump cluster-ips-check
}
chain output {
    type filter hook output priority 0;
    ct state new jump endpoints-check
    ct state new jump cluster-ips-check
}
chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
chain nat-output { type nat hook output priority -100; jump services; }
chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
"""


def nft(world, text):
    run(world.node.command("nft", "-f", "-"), text)


def way(name, world, targets):
    spaces = [f"/run/netns/{space.name}" for space in (world.clients, world.pods)]
    return " ".join([name, *spaces, ",".join(CLIENTS), ",".join(targets)])


def traffic(options, what, rounds, batch, ways):
    """{way: {value: number}}, of one repetition."""
    done = subprocess.run([options.build / "tests/bench/bench_traffic", what, str(rounds), str(batch)],
                          input="\n".join(ways) + "\n", stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench_traffic: exit status {done.returncode}")
    found = {}
    for line in done.stdout.splitlines():
        name, value = line.split()
        found.setdefault(name.rpartition(".")[0], {})[name.rpartition(".")[2]] = float(value)
    return found


class Repetitions:
    def __init__(self, options, what, rounds, batch, ways):
        self.all = [traffic(options, what, rounds, batch, ways) for _ in range(options.repetitions)]

    def median(self, name, value):
        return statistics.median(one[name][value] for one in self.all)

    def ratio(self, name, to, value):
        return statistics.median(one[name][value] / one[to][value] for one in self.all)


def connections(options, worlds):
    ways = [way("direct", worlds["none"], [f"{one}:8080" for one in endpoints(SPREAD)])]
    rows, names = [], [("direct", "direct, no table", "direct")]
    for size in options.sizes:
        world = worlds[size]
        ways.append(way(f"direct-{size}", world, [f"{one}:8080" for one in endpoints(SPREAD)]))
        ways.append(way(f"service-{size}", world, [f"{one}:80" for one in cluster_ips(size)]))
        names += [(f"direct-{size}", f"{size:,} Services: direct", f"direct-{size}"),
                  (f"service-{size}", "  through a ClusterIP", f"direct-{size}")]
    ways.append(way("direct-like", worlds["like"], [f"{one}:8080" for one in endpoints(SPREAD)]))
    ways.append(way("service-like", worlds["like"], [f"{one}:80" for one in cluster_ips(KUBE_PROXY_SERVICES)]))
    names += [("direct-like", f"like kube-proxy, {KUBE_PROXY_SERVICES:,} Services: direct", "direct-like"),
              ("service-like", "  through a ClusterIP", "direct-like")]
    found = Repetitions(options, "connections", 200, 50, ways)
    for name, title, direct in names:
        rows.append((title, f"{found.median(name, 'rate'):,.0f}", f"{found.ratio(name, direct, 'rate'):.3f}",
                     f"{found.median(name, 'p50_us'):.1f}", f"{found.ratio(name, direct, 'p50_us'):.3f}",
                     f"{found.median(name, 'p99_us'):.1f}", f"{found.ratio(name, direct, 'p99_us'):.3f}"))
    show("New TCP connections:", [("", "a second", "of direct", "p50 us", "of direct", "p99 us", "of direct"), *rows])
    least, most = min(options.sizes), max(options.sizes)
    if least != most:
        print(f"  {most:,} Services against {least:,}: "
              f"{found.ratio(f'service-{most}', f'service-{least}', 'rate'):.3f} of the connections a second, "
              f"{found.ratio(f'service-{most}', f'service-{least}', 'p50_us'):.3f} of the first packet's time")


def packets(options, worlds):
    most = max(options.sizes)
    direct, service = [f"{POD}:8080"], [f"{FLOW_IP}:80", POD]
    ways = [("none", "no table", worlds["none"], direct),
            ("least", "connection tracking and one NAT rule", worlds["least"], direct),
            ("ours", f"kproxy, {most:,} Services", worlds[most], direct),
            ("ours-service", "  through a ClusterIP", worlds[most], service),
            ("like", f"like kube-proxy, {KUBE_PROXY_SERVICES:,} Services", worlds["like"], direct),
            ("like-service", "  through a ClusterIP", worlds["like"], service)]
    found = Repetitions(options, "packets", 60, 3200, [way(name, world, to) for name, _, world, to in ways])
    rows = [(title, f"{found.median(name, 'rate'):,.0f}", f"{found.ratio(name, 'none', 'rate'):.3f}",
             f"{found.ratio(name, 'least', 'rate'):.3f}") for name, title, _, _ in ways]
    show("Packets of an established UDP flow:", [("", "a second", "of no table", "of the least"), *rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--sizes", default="10,1000,10000,30000", help="numbers of Services (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    runner.prepare(options)
    options.sizes = [int(size) for size in options.sizes.split(",")]
    os.nice(URGENT)
    with tempfile.TemporaryDirectory(prefix="kproxy-data-plane-") as folder, contextlib.ExitStack() as stack:
        names = ("none", "least", "like", *options.sizes)
        worlds = {name: stack.enter_context(World(RANGES)) for name in names}
        nft(worlds["least"], LEAST)
        nft(worlds["like"], like_kube_proxy(KUBE_PROXY_SERVICES))
        for size in options.sizes:
            load_kproxy(worlds[size], options, Path(folder), size)
        for world in worlds.values():  # entries of closed connections do not pile up
            world.node.sysctl({"net/netfilter/nf_conntrack_tcp_timeout_close": "1"})
        connections(options, worlds)
        packets(options, worlds)


if __name__ == "__main__":
    main()

"""kproxy follows a server that does nothing wrong."""

import asyncio
import json
import pathlib
import time

import netlink
from cluster import HEALTH_PORTS
from server import ADMIN_TOKEN
from stage import NODE, cidrs, own_node, service, to_other_port
from topology import ADDRESSES

E2E = pathlib.Path(__file__).resolve().parent.parent.parent / "contrib/e2e"
HEALTHZ, METRICS = 10256, 10249
ESTABLISHED = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established")
PROXY_NAME, HEADLESS = "service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"
DEFAULT_SECONDS = 1.0  # within which a change is to be effective, and the sync itself on top
SYNC_SECONDS = 0.5


async def start(stage):
    """At its start kproxy asks for four streaming lists, and says on its Node that it starts
    OPS-01 OPS-07 OPS-08 NODE-01 NODE-03 NODE-04 SVC-01 EP-01"""
    daemon = await stage.launch()
    await stage.check_settled("after the start")
    await stage.watching()
    verbs = sorted((one.verb, one.resource) for one in stage.requests() if one.resource != "events")
    stage.check(verbs == [("watch", one) for one in ("endpointslices", "nodes", "servicecidrs", "services")],
                "it makes one request for each resource", verbs)
    lists = [one for one in stage.requests("watch") if one.query.get("sendInitialEvents") == "true"
             and one.query.get("resourceVersionMatch") == "NotOlderThan"]
    stage.check(len(lists) == 4, "all are streaming lists", len(lists))
    stage.check(all(one.headers.get("authorization") == "Bearer fake-proxy-token" for one in stage.requests()),
                "all bear the kubeconfig's token")
    stage.check(await stage.until(lambda: stage.requests("create", "events")), "it posts an event")
    for request in stage.requests("create", "events")[:1]:
        await stage.until(lambda: request.status)
        event = json.loads(request.body)
        stage.check(request.status == 201 and request.namespace == "default", "which the server takes", request.status)
        wanted = {"type": "Normal", "reason": "Starting", "action": "StartKubeProxy",
                  "reportingController": "kube-proxy", "reportingInstance": f"kube-proxy-{NODE}"}
        have = {key: event.get(key) for key in wanted}
        stage.check(have == wanted and event["regarding"]["kind"] == "Node" and event["regarding"]["name"] == NODE,
                    "which says that kube-proxy starts on this Node", event)
    stage.check(await stage.answers(stage.web) == "pod:8080", "a Service answers")
    live, loaded = await stage.listed()
    stage.check(len(live) > 100 and live == loaded, "nft lists what it lists where kpcompile's text was loaded",
                f"{len(live)} words, {len(loaded)} words; {sorted(set(live) ^ set(loaded))[:10]}")
    stage.check(not stage.errors(daemon), "nothing is logged as an error", stage.errors(daemon)[:2])
    stage.check(daemon.matching("version=") and daemon.matching(f"addresses=.*{ADDRESSES[NODE][0]}"),
                "its version and the Node's addresses are logged", daemon.tail())


async def flags(stage):
    """--kubeconfig and --hostname-override do without a file of configuration OPS-01"""
    stage.kubeconfig.rename(stage.folder / "kubeconfig-of-flags")
    stage.configuration.write_text(stage.configuration.read_text().split("clientConnection")[0])
    daemon = await stage.launch(settings=[
        "--kubeconfig", stage.folder / "kubeconfig-of-flags", "--hostname-override", NODE, "--proxy-mode", "nftables",
        "--cluster-cidr", "10.244.0.0/16,fd00:244::/32", "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s"])
    await stage.check_settled("after the start")
    stage.check(daemon.running, "kproxy runs")


async def both_lists_first(stage):
    """Nothing is programmed until Services and EndpointSlices are both complete; then at once OPS-05"""
    delay = 2.0
    stage.server.put(*(one for n in range(50) for one in service(
        f"early-{n}", 1, "a1", cluster_ip=f"10.96.20.{n},fd00:96::20:{n}").objects()))
    stage.server.faults.add(resource="endpointslices", delay=delay)
    with stage.transactions() as transactions:
        daemon = await stage.launch()
        await stage.until(lambda: stage.server.streams("services") and stage.requests("watch", "endpointslices"))
        asked = stage.requests("watch", "endpointslices")[0].time
        await stage.check_settled("once both are complete")
        await stage.until(lambda: transactions.of(daemon.pid))
        own = transactions.of(daemon.pid)
    first = own[0].time - asked if own else 0
    stage.check(delay <= first, "nothing is sent to the kernel before", f"{first:.2f} s")
    stage.check(first < delay + DEFAULT_SECONDS, "the first transaction follows at once", f"{first:.2f} s")


async def rules_of_a_former_run(stage):
    """What a former run left stays in force until the lists are complete, then only differences go OPS-05 OPS-30"""
    daemon = await stage.start()
    await daemon.stop()
    stage.server.put(*service("new", 2, "a1").objects())
    stage.server.faults.add(resource="services", delay=1.5)
    async with stage.unbroken("while kproxy starts again"):
        with stage.transactions() as transactions:
            daemon = await stage.launch()
            await stage.check_settled("after the second start")
            own = transactions.of(daemon.pid)
    stage.check(not any(change[0] in ("delete table", "delete chain", "delete set", "delete rule")
                        for one in own for change in one.changes), "nothing is taken away", own)


async def changes(stage):
    """A change is effective within a second and the time of a sync OPS-20 OPS-10"""
    await stage.start()
    one, delays = service("later", 2, "a1"), []
    for n in range(4):
        await asyncio.sleep(DEFAULT_SECONDS)
        with stage.transactions() as transactions:
            began = time.monotonic()
            stage.server.put(*(one.objects() if n % 2 == 0 else to_other_port(one.objects())))
            await stage.until(lambda: transactions.of(stage.daemons[0].pid))
            own = transactions.of(stage.daemons[0].pid)
        delays.append(own[0].time - began if own else 99.0)
        await stage.check_settled(f"after change {n + 1}", 3)
    stage.check(max(delays) < DEFAULT_SECONDS + SYNC_SECONDS, "each is in the kernel in time",
                " ".join(f"{delay:.2f}" for delay in delays))


async def selectors(stage):
    """Labels put on and taken off live withdraw what they should, and bring it back
    SVC-01 SVC-02 EP-01 E2E-11 E2E-17 E2E-18"""
    other = service("other", 2, "a1,a2")
    stage.server.put(*other.objects())
    await stage.start()

    async def change(what, answer, mark):
        objects = other.objects()
        for one in objects:
            mark(one)
        stage.server.put(*objects)
        seen = await stage.last_answer(lambda: stage.answers(other), answer)
        stage.check(seen == answer, f"{what}: a connection meets {answer}", seen)
        stage.check(await stage.answers(stage.web) == "pod:8080", f"{what}: the other Service answers")

    def label(kind, name):
        def mark(one):
            if one["kind"] == kind:
                one["metadata"].setdefault("labels", {})[name] = "x"
        return mark

    def headless(one):
        if one["kind"] == "Service":
            one["spec"].update(clusterIP="None", clusterIPs=["None"])

    def external(one):
        if one["kind"] == "Service":
            one["spec"] = {"type": "ExternalName", "externalName": "example.com"}
    back = ("pod:8080", lambda one: None)
    await change("the Service is another proxy's", "silence", label("Service", PROXY_NAME))
    await change("it is ours again", *back)
    await change("its slices are headless", "reset", label("EndpointSlice", HEADLESS))
    await change("they are not", *back)
    await change("its clusterIP is None", "silence", headless)
    await change("it has one", *back)
    await change("it is an ExternalName", "silence", external)
    await change("it is a ClusterIP again", *back)
    await stage.check_settled("after all")
    stage.check(len(stage.requests()) <= 5, "no request but the first ones was made", len(stage.requests()))


async def node_and_cidrs(stage):
    """The own Node and the ServiceCIDRs are followed too; the first sync knows the Node
    NODE-01 NODE-03 SEL-10 BEYOND-03 BEYOND-04 BEYOND-25 E2E-55"""
    zones = service("zones", 2, "a1/zone=zone-a,a2/zone=zone-b")
    stage.server.put(*zones.objects())
    delay = 1.0
    stage.server.faults.add(resource="nodes", delay=delay)
    with stage.transactions() as transactions:
        daemon = await stage.start()
        first = transactions.of(daemon.pid)[0].time - stage.requests("watch", "nodes")[0].time
    stage.check(first >= delay, "nothing is sent to the kernel before the Node is there", f"{first:.2f} s")
    one = own_node()
    one["status"]["addresses"] = [{"type": "InternalIP", "address": "192.168.0.77"}]
    stage.server.put(one)
    await stage.check_settled("the addresses of the Node change")
    accepting = await stage.elements("node-port-addresses4")
    stage.check(accepting == ["192.168.0.77"], "node ports are accepted at the new one", accepting)
    one["metadata"]["labels"]["topology.kubernetes.io/zone"] = "zone-b"
    stage.server.put(one)
    await stage.check_settled("the zone of the Node changes")
    stage.server.put(cidrs("10.100.0.0/24", name="second"))
    await stage.check_settled("a ServiceCIDR is added")
    stage.server.delete(cidrs(name="second"))
    await stage.check_settled("it is deleted")
    one["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]
    with stage.transactions() as transactions:
        stage.server.put(one)
        await asyncio.sleep(1.5)
        stage.check(not transactions.of(stage.daemons[0].pid), "a heartbeat of the Node is no change")


async def node_comes_and_goes(stage):
    """The Node is deleted, comes back, and has other podCIDRs: Services go on all the while, and who is a pod is told
    by the new ones; without its Node a node is not eligible OPS-15 OPS-16 HC-09 BEYOND-21 BEYOND-22"""
    def healthz():
        return stage.status(HEALTHZ, "/healthz")

    stage.configure("detectLocalMode: NodeCIDR\n")
    await stage.start()
    node_ports, pods = "node-port-addresses4", "pod-cidrs4"
    before = await stage.elements(node_ports), await stage.elements(pods)
    stage.check(await stage.last_answer(healthz, 200) == 200, "/healthz is 200")
    one = own_node()
    async with stage.unbroken("without the Node"):
        stage.server.delete(one)
        stage.check(await stage.last_answer(healthz, 503) == 503, "/healthz is 503 without the Node")
        await asyncio.sleep(1.0)
        after = await stage.elements(node_ports), await stage.elements(pods)
        stage.check(all(before) and before == after, "its addresses and its pods are still known", f"{before} {after}")
    stage.server.put(one)
    await stage.check_settled("it is back")
    stage.check(await stage.last_answer(healthz, 200) == 200, "and 200 again")
    async with stage.unbroken("with other podCIDRs"):
        one["spec"] |= {"podCIDR": "10.244.9.0/24", "podCIDRs": ["10.244.9.0/24", "fd00:244:9::/64"]}
        stage.server.put(one)
        await stage.check_settled("it has other podCIDRs")
    stage.check(stage.daemons[0].running, "kproxy runs", stage.daemons[0].tail())


async def many_changes(stage):
    """A burst of changes becomes few transactions where minSyncPeriod says so, and none is lost OPS-10"""
    stage.configure("nftables: {minSyncPeriod: 1s}\n")
    daemon = await stage.start()
    count = 1000
    with stage.transactions() as transactions:
        for n in range(count):
            stage.server.put(*service(f"burst-{n % 100}", 1, ("a1", "a2", "a1,a2")[n % 3], families="4",
                                      cluster_ip=f"10.96.30.{n % 100},::").objects())
        await stage.check_settled(f"after {count} changes")
        own = transactions.of(daemon.pid)
    stage.check(0 < len(own) <= 10, f"{count} changes take at most 10 transactions", len(own))


async def many_health_ports(stage):
    """More health ports than the soft limit of open files admits: it is raised, so all answer, as do /healthz and
    /metrics, and changes are followed HC-01 HC-20 E2E-58"""
    limit, numbers = 64, range(2, 60)
    stage.configure("nodePortAddresses: [0.0.0.0/0, '::/0']\n")
    for number in numbers:
        stage.server.put(*service(f"local-{number}", number, "a1", vip="", etp="Local").objects())
    daemon = await stage.launch(through=["prlimit", f"--nofile={limit}:4096"])
    await stage.check_settled("after the start")
    files = pathlib.Path(f"/proc/{daemon.pid}/fd")
    stage.check(await stage.until(lambda: len(list(files.iterdir())) > limit), "more files are open than that",
                len(list(files.iterdir())))
    for what, port, path in (("a health port", HEALTH_PORTS + numbers[0], "/"), ("/healthz", HEALTHZ, "/healthz"),
                             ("another", HEALTH_PORTS + numbers[-1], "/"), ("/metrics", METRICS, "/metrics")):
        seen = await stage.last_answer(lambda: stage.status(port, path), 200)
        stage.check(seen == 200, f"{what} is 200", seen)
    stage.server.put(*to_other_port(stage.web.objects()))
    await stage.check_settled("after a change")
    stage.check(not stage.errors(daemon), "nothing is logged as an error", stage.errors(daemon)[:2])


async def watches_end(stage):
    """Watches that end at their time are resumed at once from where they were, and nothing is sent
    to the kernel OPS-14"""
    daemon = await stage.start()
    await stage.watching()
    stage.server.store.pass_time(5)
    for stream in stage.server.streams():
        stream.bookmark()
    await asyncio.sleep(5.0)  # a watch that ends earlier is one that fails
    version, began = stage.server.store.version, time.monotonic()
    with stage.transactions() as transactions:
        for stream in stage.server.streams():
            stream.end()
        stage.check(await stage.until(lambda: len(stage.requests("watch", since=began)) == 4), "each is resumed",
                    len(stage.requests("watch", since=began)))
        resumed = stage.requests(since=began)
        stage.check(all(one.query.get("resourceVersion") == str(version) for one in resumed),
                    "from the version of the bookmark", [str(one) for one in resumed])
        stage.check(resumed and max(one.time for one in resumed) - began < 1.0, "at once",
                    [f"{one.time - began:.2f}" for one in resumed])
        await asyncio.sleep(1.5)
        stage.check(not transactions.of(daemon.pid), "the kernel hears nothing of it")
    stage.server.put(*to_other_port(stage.web.objects()))
    await stage.check_settled("after a change")


async def kernel_settings(stage):
    """What the kernel remembers of connections is set when kproxy starts, and then left to others SYS-06"""
    def timeout():
        with stage.namespace.entered():
            return ESTABLISHED.read_text().strip()

    text = stage.configuration.read_text()
    stage.configuration.write_text(text.replace("tcpEstablishedTimeout: 0s", "tcpEstablishedTimeout: 1234s")
                                   + "nftables: {syncPeriod: 1s}\n")
    await stage.start()
    stage.check(timeout() == "1234", "it is set at the start", timeout())
    stage.namespace.sysctl({"net/netfilter/nf_conntrack_tcp_timeout_established": "4321"})
    stage.check(timeout() == "4321", "somebody else sets it", timeout())
    stage.server.put(*service("new", 2, "a1").objects())
    await stage.check_settled("after a change")
    await stage.run("nft", "delete", "table", "inet", "kproxy")
    await stage.check_settled("after a repair")
    stage.server.restart()
    stage.server.put(own_node() | {"metadata": {**own_node()["metadata"], "annotations": {"changed": "x"}}})
    stage.check(await stage.watching(), "the server is followed again")
    await asyncio.sleep(1.5)  # a syncPeriod, and more
    stage.check(timeout() == "4321", "it stays as it is", timeout())


async def families(stage):
    """Changes are counted once in each family they concern, deletions included, and timed until they are in force; of
    what waits each family is told its own BEYOND-26 MET-06 MET-09 MET-10"""
    async def figures(*names):
        _, text = await stage.get(METRICS, "/metrics")
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("kproxy_"))
        return [tuple(int(values[f'kproxy_{name}{{ip_family="{family}"}}']) for family in ("IPv4", "IPv6"))
                for name in names]

    async def check(what, *wanted):
        """Changes of Services, of slices; those of Services that wait."""
        names = "service_changes_total", "endpoint_change_duration_seconds_count", "service_changes_pending"
        have = await stage.last_answer(lambda: figures(*names), list(wanted))
        stage.check(have == list(wanted), what, have)

    stage.configure("nftables: {minSyncPeriod: 3s}\n")
    await stage.start()
    await stage.watching()
    await check("web has both families, and its slices were there at the start", (1, 1), (0, 0), (0, 0))
    both, four = service("both", 2, "a1"), service("four", 3, "a1", families="4", cluster_ip="10.96.7.3,::")
    stage.server.put(*both.objects(), *four.objects())
    await check("two more, one of both families, wait", (3, 2), (0, 0), (2, 1))
    await check("and are there", (3, 2), (2, 1), (0, 0))
    stage.server.delete(*both.objects())
    await check("that of both waits to be taken away", (4, 3), (2, 1), (1, 1))
    await check("and is gone", (4, 3), (3, 2), (0, 0))


async def end(stage):
    """SIGTERM ends it promptly, also while it waits for the server; the rules stay OPS-18"""
    daemon = await stage.start()
    status, seconds = await daemon.stop()
    stage.check(status == 0 and seconds < 1.0, "promptly and with status 0", f"{status} after {seconds:.2f} s")
    stage.check(stage.hooked() and not await stage.difference(), "the rules stay")
    generation = netlink.generation(stage.namespace)
    for what, fault in (("while no list is answered", {"hang": True}), ("within a list", {"freeze_after": 600})):
        stage.server.faults.add(times=99, **fault)
        began = time.monotonic()
        daemon = await stage.launch()
        stage.check(await stage.until(lambda: len(stage.requests("watch", since=began)) >= 4),
                    f"{what}: it has asked for everything")
        await asyncio.sleep(0.2)
        status, seconds = await daemon.stop()
        stage.server.faults.clear()
        stage.check(status == 0 and seconds < 1.0, f"{what}, too", f"{status} after {seconds:.2f} s")
    stage.check(netlink.generation(stage.namespace) == generation, "the kernel heard nothing")


async def end_to_end(stage):
    """contrib/e2e passes against this server, and leaves nothing there"""
    stage.server.kubeconfig(stage.folder / "admin", token=ADMIN_TOKEN)
    status, output = await stage.run(E2E, "--kubeconfig", stage.folder / "admin", "--kproxy", stage.options.kproxy)
    stage.check(status == 0 and " 0 failed" in output, "all its checks pass", output)
    left = [entry.key for kind in ("namespaces", "services", "endpointslices")
            for entry in stage.server.store.list(kind)[1] if "e2e" in entry.key]
    stage.check(not left, "all that it created is deleted", left)
    stage.check(not stage.tables(), "and no rule was made outside its own network namespace")


SCENARIOS = [end_to_end, start, flags, both_lists_first, rules_of_a_former_run, changes, selectors, node_and_cidrs,
             node_comes_and_goes, many_changes, many_health_ports, kernel_settings, families, watches_end, end]

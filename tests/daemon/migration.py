"""What contrib/migration.md promises: back to kube-proxy without a gap, and one capability is enough."""

import pathlib
import re

import netlink
from node import frontends, service
from traffic import Traffic

KUBE_PROXY = (pathlib.Path(__file__).resolve().parent / "kube-proxy.nft").read_text()
ENDPOINTS = {"a1:8080", "a2:8080"}
# As in a container without privileges: what the kernel lets be set can be read only, and root has
# but one capability.
CONFINED = ["unshare", "--mount", "sh", "-c",
            "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && "
            "exec setpriv --bounding-set=-all,+net_admin --inh-caps=-all,+net_admin --no-new-privs \"$@\"", "-"]
# As on a node without these programs, and without a PATH.
PROGRAMS = ["iptables", "ip6tables", "ipset"]
WITHOUT_PROGRAMS = ["unshare", "--mount", "sh", "-c",
                    f"for name in {' '.join(PROGRAMS)}; do\n"
                    "path=$(command -v $name) && { mount --bind /dev/null \"$path\" || exit 1; }\n"
                    "done\nPATH=/nowhere exec \"$@\"", "-"]
# Of the node's network namespace alone; the limit of entries is the machine's.
TIMEOUTS = ["--conntrack-max-per-core=0", "--conntrack-tcp-timeout-close-wait=0"]


def web():
    return service("web", 1, "a1,a2")


async def back(node):
    """kproxy ends, kube-proxy's rules come, the table goes: no connection fails"""
    node.write([web()])
    daemon = await node.start()
    async with Traffic(node.world, "a3", frontends(web())) as traffic:
        await traffic.more(20)
        await daemon.stop()
        await node.nft(KUBE_PROXY)
        await traffic.more(20)
        ended = await node.run("nft", "delete", "table", "inet", "kproxy")
        node.expect(ended.status == 0, f"nft delete table: {ended.errors}")
        await traffic.more(20)
    node.expect_none(traffic.problems(ENDPOINTS))


async def cleanup_after_kube_proxy(node):
    """--cleanup takes kube-proxy's tables along: it has to come before kube-proxy (OPS-33)"""
    node.write([web()])
    await (await node.start()).stop()
    await node.nft(KUBE_PROXY)
    ended = await node.kproxy("--cleanup")
    node.expect(ended.status == 0, f"exit status {ended.status}: {ended.errors}")
    node.expect("proxy" not in await node.listed("tables"), "a table is left")


async def one_capability(node):
    """After --init-only, CAP_NET_ADMIN alone will do; /proc/sys is read-only; none of it
    asks an API server (CFG-63, SYS-05, BEYOND-28)"""
    wanted = [*TIMEOUTS, "--conntrack-tcp-timeout-established=1234s"]
    confined = [*CONFINED, node.options.kproxy]
    ended = await node.run(*confined, "--init-only", *wanted)
    node.expect(ended.status == 1 and "nf_conntrack_tcp_timeout_established" in ended.errors
                and "--init-only in a privileged container" in ended.errors,
                f"what cannot be set: exit status {ended.status}: {ended.errors}")
    for what, command in (("as root", [node.options.kproxy]), ("confined", confined)):
        ended = await node.run(*command, "--init-only", *wanted)
        node.expect(ended.status == 0, f"--init-only {what}: exit status {ended.status}: {ended.errors}")
    node.write([web()])
    await node.nft(KUBE_PROXY)
    ended = await node.run(*confined, *node.settings(), "--once")
    node.expect(ended.status == 0, f"--once: exit status {ended.status}: {ended.errors}")
    node.expect("kube-proxy" not in await node.listed("tables"), "kube-proxy's tables are still there")
    node.expect(netlink.has_table(node.namespace, "kproxy"), "there is no table")
    await node.expect_verified("confined")


async def no_programs(node):
    """Without iptables, ipset, or any program in its PATH, kproxy does all that it does (OPS-35)"""
    node.write([web()])
    for program in PROGRAMS:
        ended = await node.run(*WITHOUT_PROGRAMS, "/bin/sh", "-c", program)
        node.expect(ended.status in (126, 127), f"{program} is there: exit status {ended.status}")
    for arguments in (["--init-only", *TIMEOUTS], [*node.settings(), "--once"], ["verify", *node.settings()],
                      ["--cleanup"]):
        ended = await node.run(*WITHOUT_PROGRAMS, node.options.kproxy, *arguments)
        node.expect(ended.status == 0 and not re.search("^[EF]", ended.errors, re.MULTILINE),
                    f"{arguments[0]}: exit status {ended.status}: {ended.errors}")


TESTS = [back, cleanup_after_kube_proxy, one_capability, no_programs]

"""The command line: what it says on which stream, its exit status, and that it touches nothing."""

import json
import pathlib
import re

import netlink

HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"


CONTRIB = pathlib.Path(__file__).resolve().parents[2] / "contrib"
FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9]|v\b)|\bcomplete .* -l ([a-z][a-z0-9-]*)")


def untouched(node, what):
    node.expect(not netlink.has_table(node.namespace, "kproxy"), f"{what}: yet there is a table")


async def help_and_version(node):
    """--help and --version: on standard output, exit status 0 (CFG-38, CFG-42, CFG-60)"""
    ended = await node.kproxy("--help")
    node.expect(ended.status == 0 and not ended.errors, f"--help: exit status {ended.status}: {ended.errors}")
    for flag in ("--config", "--hostname-override", "--metrics-bind-address", "--vmodule", "--ipvs-scheduler"):
        node.expect(flag in ended.output, f"--help does not name {flag}")
    for arguments in (["--version"], ["--version=true"], ["--version", "--config", "/no/such/file"]):
        ended = await node.kproxy(*arguments)
        node.expect(ended.status == 0 and not ended.errors, f"{arguments}: exit status {ended.status}: {ended.errors}")
        node.expect(re.fullmatch(r"Kubernetes v\d+\.\d+\.\d+\n", ended.output), f"{arguments}: {ended.output!r}")
    ended = await node.kproxy("--version=raw")
    details = json.loads(ended.output)
    node.expect(ended.status == 0 and re.fullmatch(r"v1\.\d+\.\d+", details["gitVersion"]) and details["kproxyVersion"],
                f"--version=raw: exit status {ended.status}: {ended.output!r}")
    untouched(node, "help and version")


async def refused(node, arguments, names):
    """kproxy ends with status 1, and its errors, and nothing else, tell these names."""
    ended = await node.kproxy(*arguments, patience=10)
    lines = ended.errors.splitlines()
    node.expect(ended.status == 1, f"{arguments}: exit status {ended.status}: {lines[:3]}")
    node.expect(lines and all(line.startswith("error: ") for line in lines), f"{arguments}: {lines[:5]}")
    node.expect(not ended.output, f"{arguments}: on standard output: {ended.output[:200]}")
    for name in names:
        node.expect(name in ended.errors, f"{arguments}: does not say {name}: {lines[:5]}")


async def mistakes(node):
    """Each mistake is named, all of them together, with exit status 1, before anything is done (CFG-41, CFG-46)"""
    config = node.folder / "config.yaml"
    config.write_text(HEAD + "mode: nftables\noomScoreAdj: 5000\nconntrack:\n  udpTimeout: -1s\n"
                      "healthzBindAddress: localhost:1\nfeatureGates: {NFTablesProxyMode: false}\n")
    other_mode = node.folder / "ipvs.yaml"
    other_mode.write_text(HEAD + "mode: ipvs\n")
    for arguments, names in (
        (["--no-such-flag=1"], ["no-such-flag"]),
        (["positional"], ["positional"]),
        (["--oom_score_adj=many"], ["oomScoreAdj", "many"]),
        (["--metrics-port=0"], ["metricsBindAddress"]),
        (["--feature-gates=NoSuchGate=true"], ["NoSuchGate"]),
        (["--config", config], ["config.yaml:4", "KubeProxyConfiguration.oomScoreAdj", "config.yaml:6",
                                "conntrack.udpTimeout", "healthzBindAddress", "featureGates.NFTablesProxyMode"]),
        (["--oom-score-adj=2000", "--kube-api-burst=-1"], ["oomScoreAdj", "burst"]),
    ):
        for more in ([], ["--cleanup"], ["--init-only"]):
            await refused(node, [*arguments, *more], names)
    # What another mode has left may be removed, that is all.
    for arguments, names in ((["--proxy-mode=iptables"], ["mode", "iptables", "set it to nftables"]),
                             (["--config", other_mode], ["ipvs.yaml", "set it to nftables"])):
        for more in ([], ["--init-only"]):
            await refused(node, [*arguments, *more], names)
    untouched(node, "mistakes")


async def write_config(node):
    """--write-config-to: the configuration in force, which --config reads back to the same (CFG-61)"""
    first, second = node.folder / "first.yaml", node.folder / "second.yaml"
    flags = ["--proxy-mode=nftables", "--cluster-cidr=10.0.0.0/8", "--oom-score-adj=0", "--nodeport-addresses=primary",
             "--feature-gates=AllAlpha=true", "-v=3", "--hostname-override=Node-A"]
    for source, target in ((flags, first), (["--config", first], second)):
        # Whatever else is asked for is not done.
        ended = await node.kproxy(*source, "--write-config-to", target, "--cleanup", patience=10)
        node.expect(ended.status == 0 and not ended.output and not ended.errors,
                    f"{source}: exit status {ended.status}: {ended.output}{ended.errors}")
    text = first.read_text()
    for line in ("kind: \"KubeProxyConfiguration\"", "mode: \"nftables\"", "clusterCIDR: \"10.0.0.0/8\"", "oomScoreAdj: 0",
                 "healthzBindAddress: \"0.0.0.0:10256\"", "  maxPerCore: 32768", "configSyncPeriod: \"15m0s\""):
        node.expect(line in text.splitlines(), f"there is no line {line}")
    node.expect(second.read_text() == text, "written once more it is another one")

    ended = await node.kproxy(*flags, "--write-config-to", "/dev/stdout")
    node.expect(ended.status == 0 and ended.output == text, f"to a pipe: exit status {ended.status}: {ended.output[:200]}")
    log = node.folder / "log"
    for path in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        log.write_text("before\n")
        ended = await node.run("sh", "-c", 'exec "$@" >> "$0"', log, node.options.kproxy, *flags, "--write-config-to",
                               path)
        node.expect(ended.status == 0 and log.read_text() == "before\n" + text,
                    f"{path}, appended to a file: exit status {ended.status}: {log.read_text()[:200]}")
    ended = await node.kproxy(*flags, "--write-config-to", node.folder / "no" / "folder")
    node.expect(ended.status == 1 and "no/folder" in ended.errors, f"exit status {ended.status}: {ended.errors}")
    ended = await node.kproxy(*flags, "--kube-api-burst=-1", "--write-config-to", node.folder / "wrong.yaml")
    node.expect(ended.status == 1 and not (node.folder / "wrong.yaml").exists(), "a wrong configuration is written")
    untouched(node, "writing")


async def lenient(node):
    """Unknown and duplicate fields, and flags that a file replaces, do not keep kproxy from its work (CFG-43, CFG-44)"""
    config, written = node.folder / "config.yaml", node.folder / "written.yaml"
    config.write_text(HEAD + "mode: nftables\nfuture: 1\noomScoreAdj: 1\noomScoreAdj: 2\n")
    ended = await node.kproxy("--config", config, "--oom-score-adj=7", "--metrics-port=0", "--v=9",
                              "--write-config-to", written)
    node.expect(ended.status == 0, f"exit status {ended.status}: {ended.errors}")
    for name in ("future", "oomScoreAdj"):
        node.expect(re.search(f"^W.*{name}", ended.errors, re.MULTILINE), f"no warning names {name}: {ended.errors}")
    lines = written.read_text().splitlines()
    for line in ("oomScoreAdj: 2", "metricsBindAddress: \"127.0.0.1:10249\"", "  verbosity: 9"):
        node.expect(line in lines, f"there is no line {line}")


async def json_log(node):
    """--logging-format=json: each line is an object (CFG-56)"""
    node.write([])
    ended = await node.kproxy(*node.settings(), "--once", "--v=2", "--logging-format=json")
    node.expect(ended.status == 0, f"exit status {ended.status}: {ended.errors}")
    lines = [json.loads(line) for line in ended.errors.splitlines()]
    synced = [line for line in lines if line["msg"].startswith("Synced")]
    node.expect(synced and synced[0]["v"] == 2 and synced[0]["ts"] > 1e12 and re.fullmatch(r"\S+\.cc:\d+", synced[0]["caller"]),
                f"{lines}")


async def documented(node):
    """Every flag of --help is in the manual page and in each shell's completion, and no other"""
    def flags(text):
        return {first or second for first, second in FLAG.findall(text)}

    known = flags((await node.kproxy("--help")).output.split("\nCommands:")[0])
    node.expect(len(known) > 60, f"--help names only {len(known)} flags")
    for path in (CONTRIB / "man" / "kproxy.8.scd", *(CONTRIB / "completions" / f"kproxy.{shell}"
                                                     for shell in ("bash", "zsh", "fish"))):
        there = flags(path.read_text())
        node.expect(known <= there, f"{path.name} does not name {sorted(known - there)}")
        node.expect(there <= known | {"flag"}, f"{path.name} names {sorted(there - known)}, which --help does not")


TESTS = [help_and_version, documented, mistakes, write_config, lenient, json_log]

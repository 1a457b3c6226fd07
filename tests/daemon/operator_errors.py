"""What goes wrong on a node: one clear line, the right exit status, and rules that stay."""

import asyncio
import functools
import os
import shutil

import netlink
from daemon import STARTED, SYNCED
from node import Skipped, frontends, service
from traffic import Traffic

PROMPT_SECONDS = 1.0
SETTLED_SECONDS = 0.3  # in which a second error line would be there
NOBODY = 65534
# Nobody listens there.
FOLLOWING = ["--master=http://127.0.0.1:9", "--hostname-override=node-a", "--proxy-mode=nftables"]


def web(endpoints="a1,a2"):
    return service("web", 1, endpoints)


async def answers(node, *names):
    """The Service leads to these endpoints and no other."""
    async with Traffic(node.world, "a3", frontends(web())) as traffic:
        await traffic.more(60)
    node.expect_none(traffic.problems({f"{name}:8080" for name in names}))


def applied(node):
    return netlink.has_table(node.namespace, "kproxy")


async def refuses(node, what, *arguments, status=1, names=()):
    """kproxy ends with that status, one line on standard error, and has not touched the kernel."""
    ended = await node.kproxy(*arguments, patience=10)
    lines = ended.errors.splitlines()
    node.expect(ended.status == status, f"{what}: exit status {ended.status}, not {status}: {lines[:3]}")
    node.expect(len(lines) == 1, f"{what}: {len(lines)} lines on standard error, not one: {lines[:4]}")
    node.expect(ended.seconds < PROMPT_SECONDS, f"{what}: took {ended.seconds:.2f} s")
    node.expect(not ended.output, f"{what}: on standard output: {ended.output[:200]}")
    for name in names:
        node.expect(name in ended.errors, f"{what}: the line does not say {name}: {lines[:1]}")
    node.expect(not applied(node), f"{what}: yet there is a table")


REFUSED = '{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized", "code": 401}'
# JSON of Kubernetes that holds no cluster.
NO_CLUSTER = {
    "a refusal of the API server": REFUSED,
    "a list of another kind": '{"kind": "PodList", "apiVersion": "v1", "items": []}',
    "a List of other kinds": '{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Pod", "apiVersion": "v1"}]}',
    "an object of another kind": '{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "shop"}}',
    "a List without items": '{"kind": "List", "apiVersion": "v1"}',
    "a List whose items are none": '{"kind": "List", "apiVersion": "v1", "items": {}}',
}


async def at_the_start(node):
    """Errors at the start: exit status 1, one line that names what is wrong, nothing applied (OPS-19)"""
    node.write([web()])
    good, folder = node.snapshot.read_text(), node.folder
    bad = folder / "bad.json"
    settings = ["--config", node.configuration]

    def file(text):
        bad.write_text(text)
        return ["--snapshot", bad, *settings]

    broken = {
        "empty": "",
        "blank": "\n\n",
        "half": good[:len(good) // 2],
        "with rubbish in it": good[:200] + "}{" + good[200:],
        "with rubbish behind it": good + "}",
        "not JSON": "apiVersion: v1\nkind: List\n",
        "a JSON number": "7\n",
        "with bytes that are no text": good.replace("node-b", "node-\x00b"),
        **NO_CLUSTER,
        "a cluster and a refusal": good + REFUSED,
    }
    for once in ([], ["--once"]):
        for what, path in (("no such file", folder / "missing.json"), ("no such folder", folder / "no" / "file.json"),
                           ("a directory", folder)):
            await refuses(node, f"{what} {once}", "--snapshot", path, *settings, *once, names=[str(path)])
        for how, text in broken.items():
            await refuses(node, f"a snapshot that is {how} {once}", *file(text), *once, names=["bad.json"])
    os.symlink("loop.json", folder / "loop.json")
    await refuses(node, "a link to itself", "--snapshot", folder / "loop.json", *settings, names=["loop.json"])
    os.symlink("nowhere", folder / "dangling.json")
    await refuses(node, "a link to nothing", "--snapshot", folder / "dangling.json", *settings, names=["dangling.json"])

    await refuses(node, "no snapshot", *settings, "--once", names=["--snapshot"])
    await refuses(node, "neither a snapshot nor an API server (CFG-52)", *settings, names=["--kubeconfig"])
    await refuses(node, "an unknown flag", *node.settings(), "--no-such-flag", names=["--no-such-flag"])
    await refuses(node, "an unknown flag with a value", *node.settings(), "--proxy-port-ranges=1",
                  names=["proxy-port-ranges"])
    await refuses(node, "a word too many", *node.settings(), "apply-all", names=["apply-all"])
    await refuses(node, "a flag's value that is none", "--snapshot", node.snapshot, "--masquerade-bit", "many",
                  names=["masquerade-bit"])
    await refuses(node, "no such configuration", "--snapshot", node.snapshot, "--config", folder / "none.yaml",
                  names=["none.yaml"])
    wrong = folder / "wrong.yaml"
    wrong.write_text("mode: [nftables\n")
    await refuses(node, "a broken configuration", "--snapshot", node.snapshot, "--config", wrong, names=["wrong.yaml"])


async def old_kernel(node):
    """A kernel that nobody has tried this on is refused, unless the environment says otherwise (CFG-53)"""
    node.write([web()])
    old = ["setarch", "--uname-2.6", node.options.kproxy, *node.settings(), "--once"]
    ended = await node.run(*old)
    node.expect(ended.status == 1 and "kube-proxy in nftables mode requires kernel 5.13 or later" in ended.errors,
                f"exit status {ended.status}: {ended.errors}")
    node.expect(not applied(node), "there is a table")
    ended = await node.run("env", "KUBE_PROXY_NFTABLES_SKIP_KERNEL_VERSION_CHECK=1", *old)
    node.expect(ended.status == 0, f"told not to look: exit status {ended.status}: {ended.errors}")
    node.expect(applied(node), "told not to look: there is no table")


async def old_kernel_and_no_server(node):
    """It is refused before the API server is asked for anything, and what another mode left stays in force
    (CFG-53)"""
    ended = await node.run("iptables", "-t", "nat", "-N", "KUBE-MARK-MASQ")
    node.expect(ended.status == 0, f"iptables: exit status {ended.status}: {ended.errors}")
    ended = await node.run("setarch", "--uname-2.6", node.options.kproxy, *FOLLOWING, patience=10)
    node.expect(ended.status == 1 and "requires kernel 5.13 or later" in ended.errors,
                f"exit status {ended.status}: {ended.errors}")
    node.expect(ended.seconds < PROMPT_SECONDS, f"took {ended.seconds:.2f} s")
    node.expect("KUBE-MARK-MASQ" in await node.listed("ruleset"), "the other mode's chain is gone")


async def verbosity(node):
    """The verbosity may be given in all the ways that Kubernetes components take it"""
    node.write([web()])
    for words in (["-v=2"], ["-v", "2"], ["-v2"], ["--v=2"], ["--v", "2"]):
        ended = await node.kproxy(*node.settings(), "--once", *words)
        node.expect(ended.status == 0 and "Synced" in ended.errors,
                    f"{' '.join(words)}: exit status {ended.status}: {ended.errors.strip()[:200]}")


async def without_permission(node):
    """As nobody: one line, exit status 1 (2 of verify), in under a second (CFG-54)"""
    node.write([web()])
    program = node.folder / "kproxy"  # where nobody can reach it
    shutil.copy(node.options.kproxy, program)
    program.chmod(0o755)
    somebody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program]
    for what, status, arguments in (
        ("following a file", 1, node.settings()),
        ("following a server", 1, FOLLOWING),
        ("--once", 1, [*node.settings(), "--once"]),
        ("--cleanup", 1, ["--cleanup"]),
        ("verify", 2, ["verify", *node.settings()]),
    ):
        ended = await node.run(*somebody, *arguments, patience=10)
        lines = ended.errors.splitlines()
        node.expect(ended.status == status, f"{what}: exit status {ended.status}, not {status}: {lines[:3]}")
        node.expect(len(lines) == 1, f"{what}: {len(lines)} lines on standard error, not one: {lines[:4]}")
        node.expect("not permitted" in ended.errors or "ermission" in ended.errors, f"{what}: does not say why: {lines[:1]}")
        node.expect(ended.seconds < PROMPT_SECONDS, f"{what}: took {ended.seconds:.2f} s")
    node.snapshot.chmod(0o600)
    ended = await node.run(*somebody, *node.settings(), patience=10)
    node.expect(ended.status == 1 and "ermission denied" in ended.errors and "snapshot.json" in ended.errors,
                f"a snapshot that nobody may read: exit status {ended.status}: {ended.errors}")
    node.expect(not applied(node), "there is a table")


async def while_running(node):
    """A broken file while running: one error line each time, the rules stay; a good one is taken again"""
    node.write([web("a1,a2")])
    daemon = await node.start()
    good = node.snapshot.read_text()
    deeds = {
        "half, in place": lambda: node.snapshot.write_text(good[:len(good) // 2]),
        "half, by rename": lambda: node.replace(good[:len(good) // 2]),
        "empty, in place": lambda: node.snapshot.write_text(""),
        "empty, by rename": lambda: node.replace(""),
        "not JSON": lambda: node.replace("kind: List\n"),
        "rubbish behind it": lambda: node.replace(good + "]"),
        **{what: functools.partial(node.replace, text) for what, text in NO_CLUSTER.items()},
    }
    endpoints = ["a1,a2", "b1"]
    for n, (what, deed) in enumerate(deeds.items()):
        since = len(daemon.lines)
        deed()
        await daemon.line("^E", since)
        await asyncio.sleep(SETTLED_SECONDS)
        errors = daemon.matching("^E", since)
        node.expect(len(errors) == 1, f"{what}: {len(errors)} error lines: {errors[:3]}")
        node.expect("snapshot.json" in errors[0], f"{what}: the line does not name the file: {errors[0]}")
        await answers(node, *endpoints[n % 2].split(","))
        since = len(daemon.lines)
        node.write([web(endpoints[(n + 1) % 2])])
        await node.in_force()
        await answers(node, *endpoints[(n + 1) % 2].split(","))
        node.expect(not daemon.matching("^E", since), f"{what}, and then a good one: {daemon.matching('^E', since)}")
    node.expect(daemon.running, "kproxy has ended")


async def given_twice(node):
    """An object that the file gives twice with other contents: an error line names it, and the last one counts"""
    slices = [f"EndpointSlice default/web-{family}: is given more than once" for family in ("ipv4", "ipv6")]

    def told(when, lines):
        node.expect(len(lines) == 2 and all(one in line for one, line in zip(slices, lines)), f"{when}: {lines[:3]}")

    node.write([web("b1"), web("a1")])
    ended = await node.kproxy(*node.settings(), "--once")
    told("--once", [line for line in ended.errors.splitlines() if line.startswith("E")])
    await answers(node, "a1")
    node.write([web("b1")])
    daemon = await node.start()
    node.expect(not daemon.matching("^E"), f"given once: {daemon.matching('^E')[:3]}")
    node.write([web("b1"), web("a2")])
    await node.in_force()
    await answers(node, "a2")
    told("while running", daemon.matching("^E"))


async def gone_while_running(node):
    """The file is removed, or becomes a directory, while running: the rules stay, and it is followed again"""
    node.write([web("a1")])
    daemon = await node.start()
    node.snapshot.unlink()
    await asyncio.sleep(SETTLED_SECONDS)
    await answers(node, "a1")
    node.write([web("b1")])
    await node.in_force()
    await answers(node, "b1")
    node.snapshot.unlink()
    node.snapshot.mkdir()
    await asyncio.sleep(SETTLED_SECONDS)
    await answers(node, "b1")
    errors = daemon.matching("^E")
    node.expect(len(errors) <= 1, f"{len(errors)} error lines: {errors[:3]}")
    node.snapshot.rmdir()
    node.write([web("a2")])
    await node.in_force()
    await answers(node, "a2")
    node.expect(daemon.running, "kproxy has ended")


async def not_watched(node):
    """A folder that the kernel does not watch for want of inotify watches: one line that says so, exit status 1
    (CFG-51, BEYOND-17)"""
    unshare = ["unshare", "--user", "--map-root-user"]
    if (await node.run(*unshare, "true")).status != 0:
        raise Skipped("NOT TESTED: there are no user namespaces here")
    node.write([web()])
    without = [*unshare, "sh", "-c",
               'echo 0 >/proc/sys/user/max_inotify_watches && exec "$@"', "-", node.options.kproxy]
    elsewhere = node.folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(node.snapshot, elsewhere)
    for what, folder, arguments in (
        ("the snapshot", elsewhere, ["--snapshot", elsewhere / node.snapshot.name, "--node=node-a",
                                     "--proxy-mode=nftables"]),
        ("the configuration", node.folder, node.settings()),
    ):
        ended = await node.run(*without, *arguments, patience=10)
        lines = [line for line in ended.errors.splitlines() if "privileges" not in line]
        node.expect(ended.status == 1, f"{what}: exit status {ended.status}")
        node.expect(len(lines) == 1 and "fs.inotify.max_user_watches" in lines[0] and f"{folder}: cannot" in lines[0],
                    f"{what}: {lines[:3]}")
        node.expect(not applied(node), f"{what}: yet there is a table")


async def no_thread(node):
    """The kernel grants no thread to serve HTTP: one line, exit status 1, nothing applied (HC-01, OPS-19)"""
    node.write([web()])
    program = node.folder / "kproxy"  # where nobody can reach it
    shutil.copy(node.options.kproxy, program)
    program.chmod(0o755)
    # AddressSanitizer looks for leaks in a thread of its own.
    sanitizer = f"ASAN_OPTIONS={os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"
    ended = await node.run("env", sanitizer, "prlimit", "--nproc=1", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                           "--clear-groups", "--inh-caps=+net_admin", "--ambient-caps=+net_admin", program,
                           *node.settings(), patience=10)
    lines = ended.errors.splitlines()
    node.expect(ended.status == 1, f"exit status {ended.status}")
    node.expect(len(lines) == 1 and "cannot start a thread" in lines[0], f"{lines[:3]}")
    node.expect(not applied(node), "yet there is a table")


async def log_not_read(node):
    """Whoever reads the log goes away while running: kproxy goes on, though it has more to say"""
    node.write([web("a1")])
    daemon = await node.start()
    daemon.stop_reading()
    node.replace("kind: List\n")  # which is an error to be logged
    await asyncio.sleep(SETTLED_SECONDS)
    node.write([web("b1")])
    await node.in_force()
    await answers(node, "b1")
    node.expect(daemon.running, f"kproxy has ended with {daemon.process.returncode}")


async def replaced_in_every_way(node):
    """In place, by rename, by a link, and as the kubelet does with ConfigMaps: all are followed"""
    node.write([web("a1")])
    daemon, known = await node.start(), []

    async def followed(how, endpoint):
        await node.in_force()
        await answers(node, endpoint)
        errors = daemon.matching("^E")
        node.expect(errors == known, f"{how}: {errors[len(known):][:2]}")
        known[:] = errors

    node.snapshot.write_text(node.text([web("a2")]))
    await followed("in place", "a2")
    node.write([web("b1")])
    await followed("by rename", "b1")
    node.snapshot.unlink()
    node.snapshot.write_text(node.text([web("a1")]))
    await followed("removed and written anew", "a1")
    # Slowly, as `kubectl get ... > FILE` does, and meanwhile something else happens in the folder.
    text = node.text([web("b2")])
    with open(node.snapshot, "w") as file:
        for n in range(5):
            file.write(text[n * len(text) // 5:(n + 1) * len(text) // 5])
            file.flush()
            await asyncio.sleep(0.05)
    await followed("slowly", "b2")
    copy = node.folder / "elsewhere"
    copy.mkdir()
    (copy / "cluster.json").write_text(node.text([web("b3")]))
    os.symlink("elsewhere/cluster.json", node.folder / "link.new")
    os.rename(node.folder / "link.new", node.snapshot)
    await followed("by a link", "b3")
    (copy / "cluster.new").write_text(node.text([web("a1")]))
    os.rename(copy / "cluster.new", copy / "cluster.json")
    await followed("behind a link", "a1")


async def half_written(node):
    """While the file is being written, something happens in its folder: nobody takes the half for the whole"""
    node.write([web("a1")])
    daemon = await node.start()

    async def write_slowly(text):
        with open(node.snapshot, "w") as file:
            await asyncio.sleep(0.05)
            for n in range(5):
                file.write(text[n * len(text) // 5:(n + 1) * len(text) // 5])
                file.flush()
                (node.folder / "neighbour").write_text(str(n))
                await asyncio.sleep(0.05)

    async with Traffic(node.world, "a3", frontends(web())) as traffic:
        for how, endpoint in (("in place", "a2"), ("removed and written anew", "a1")):
            since = len(daemon.lines)
            if how != "in place":
                node.snapshot.unlink()
            await write_slowly(node.text([web(endpoint)]))
            await node.in_force()
            errors = daemon.matching("^E", since)
            node.expect(not errors, f"{how}: {len(errors)} error lines about a file that is not complete yet: {errors[:1]}")
    node.expect_none(traffic.problems({"a1:8080", "a2:8080"}))
    await answers(node, "a1")


async def config_map(node):
    """A mounted ConfigMap: file -> ..data/file, ..data -> a dated folder that is switched"""
    volume = node.folder / "volume"
    volume.mkdir()

    def publish(n, endpoints):
        dated = volume / f"..2025_01_0{n}"
        dated.mkdir()
        (dated / "cluster.json").write_text(node.text([web(endpoints)]))
        os.symlink(dated.name, volume / "..data_tmp")
        os.rename(volume / "..data_tmp", volume / "..data")
        return dated

    old = publish(1, "a1")
    os.symlink("..data/cluster.json", volume / "cluster.json")
    node.snapshot = volume / "cluster.json"
    daemon = await node.start()
    for n, endpoint in enumerate(["b1", "a2", "b2"], start=2):
        new = publish(n, endpoint)
        shutil.rmtree(old)
        old = new
        await node.in_force()
        await answers(node, endpoint)
    node.expect(not daemon.matching("^E"), f"logged: {daemon.matching('^E')}")


async def golden(node):
    """--golden: what equals the reviewed file is applied; else the difference is shown, and nothing is"""
    reviewed = node.folder / "reviewed.nft"
    node.write([web("a1,a2")])
    compiled = await node.run(node.options.kpcompile, "--config", node.configuration, node.snapshot)
    reviewed.write_text(compiled.output)
    same = node.snapshot.read_text()

    node.snapshot.write_text(same.replace("10.244.1.12", "10.244.1.13"))
    for once in ([], ["--once"]):
        ended = await node.kproxy(*node.settings(), "--golden", reviewed, *once, patience=10)
        node.expect(ended.status == 1, f"a difference {once}: exit status {ended.status}")
        node.expect("10.244.1.12" in ended.output and "10.244.1.13" in ended.output,
                    f"a difference {once}: not shown: {ended.output[:300]}")
        node.expect("reviewed.nft" in ended.errors and len(ended.errors.splitlines()) == 1,
                    f"a difference {once}: {ended.errors}")
        node.expect(not applied(node), f"a difference {once}: yet there is a table")
    ended = await node.kproxy(*node.settings(), "--golden", node.folder / "none.nft", patience=10)
    node.expect(ended.status == 1 and "none.nft" in ended.errors,
                f"no such file: exit status {ended.status}: {ended.errors}")

    node.replace(same)
    daemon = await node.start("--golden", str(reviewed))
    await answers(node, "a1", "a2")
    since = len(daemon.lines)
    node.replace(same.replace("10.244.1.12", "10.244.1.13"))
    await daemon.line("^E.*reviewed.nft", since)
    await answers(node, "a1", "a2")
    await asyncio.sleep(SETTLED_SECONDS)
    node.expect(len(daemon.matching("^E", since)) == 1, f"while running: {daemon.matching('^E', since)}")
    await node.nft("flush ruleset")
    await daemon.line("Repaired", since)  # with what was reviewed
    await answers(node, "a1", "a2")
    since = len(daemon.lines)
    node.replace(same.replace("10.244.1.12", "10.244.1.13"))  # and again
    await daemon.line("^E.*reviewed.nft", since)
    node.replace(same)
    await asyncio.sleep(SETTLED_SECONDS)
    await answers(node, "a1", "a2")
    await node.expect_verified("with the reviewed snapshot again", 10)

    changed = node.text([web("a1,a2,a3")])  # no Service has two endpoints any more
    node.replace(changed)
    other = await node.run(node.options.kpcompile, "--config", node.configuration, node.snapshot)
    reviewed.write_text(other.output)
    since = len(daemon.lines)
    node.replace(changed + "\n")
    await daemon.line(SYNCED, since)
    await answers(node, "a1", "a2", "a3")
    await node.expect_verified("with another reviewed snapshot", 10)
    node.expect(daemon.running, "kproxy has ended")


async def verify(node):
    """kproxy verify: 0 the same, 1 different with what differs, 2 trouble; it changes nothing"""
    node.write([web()])
    ended = await node.verify()
    node.expect(ended.status == 1, f"without a table: exit status {ended.status}: {ended.output}{ended.errors}")
    node.expect(not applied(node), "verify has made a table")
    once = await node.kproxy(*node.settings(), "--once")
    node.expect(once.status == 0, f"--once: exit status {once.status}: {once.errors}")
    ended = await node.verify()
    node.expect(ended.status == 0, f"after --once: exit status {ended.status}: {ended.output}")
    await node.nft("delete element inet kproxy services4 { 10.96.0.1 . tcp . 80 }")
    for _ in range(2):
        ended = await node.verify()
        node.expect(ended.status == 1 and "10.96.0.1" in ended.output and "services4" in ended.output,
                    f"an element is missing: exit status {ended.status}: {ended.output}")
        node.expect(not ended.errors, f"an element is missing: on standard error: {ended.errors}")
    node.write([web("a1")])
    ended = await node.verify()
    node.expect(ended.status == 1, f"another snapshot: exit status {ended.status}")
    for what, arguments in (("no such file", ["--snapshot", node.folder / "none.json"]), ("no snapshot", []),
                            ("an unknown flag", [*node.settings(), "--nothing"]),
                            ("a directory", ["--snapshot", node.folder, "--node", "node-a"])):
        ended = await node.kproxy("verify", *arguments)
        node.expect(ended.status == 2, f"{what}: exit status {ended.status}")
        node.expect(len(ended.errors.splitlines()) == 1, f"{what}: {ended.errors}")


async def cleanup(node):
    """--cleanup removes the table, whatever the mode, and once more does nothing: exit status 0; other tables stay
    What cannot be removed is an error (CFG-62)."""
    node.write([web()])
    await node.nft("table inet other { chain c { type filter hook input priority 0; counter; }; }")
    await (await node.start()).stop()
    with netlink.owned_table(node.namespace, "kproxy"):
        ended = await node.kproxy("--cleanup")
        node.expect(ended.status == 1 and "encountered an error while tearing down rules" in ended.errors,
                    f"a table that may not be removed: exit status {ended.status}: {ended.errors}")
        node.expect(applied(node), "a table that may not be removed is gone")
    other_mode = node.folder / "ipvs.yaml"
    other_mode.write_text(node.configuration.read_text().replace("mode: nftables", "mode: ipvs"))
    await (await node.start()).stop()
    for time, how in (("once", []), ("twice", []), ("of another mode's flags", ["--proxy-mode=iptables"]),
                      ("of another mode's configuration", ["--config", other_mode])):
        if how:
            await (await node.start()).stop()
        ended = await node.kproxy("--cleanup", *how)
        node.expect(ended.status == 0, f"{time}: exit status {ended.status}: {ended.errors}")
        node.expect(not ended.errors, f"{time}: on standard error: {ended.errors}")
        node.expect(not applied(node), f"{time}: the table is there")
    node.expect("inet other" in await node.listed("tables"), "a foreign table is gone")


async def two_at_once(node):
    """Two daemons with the same snapshot, by mistake: they do not fight, and the rules are right"""
    node.write([web("a1")])
    daemons = [await node.launch(), await node.launch()]
    for daemon in daemons:
        await daemon.line(STARTED)
    for n in range(5):
        node.write([web("b1" if n % 2 == 0 else "a1")])
        await node.in_force()
    await asyncio.sleep(1)
    before = [len(daemon.lines) for daemon in daemons]
    await asyncio.sleep(1)
    lines = [line for daemon, since in zip(daemons, before) for line in daemon.matching("^[^I]", since)]
    node.expect(len(lines) <= 2, f"{len(lines)} lines in a second without a change: {lines[:3]}")
    await answers(node, "b1")
    await node.expect_verified("with two daemons", 10)


TESTS = [at_the_start, old_kernel, old_kernel_and_no_server, verbosity, without_permission, while_running, given_twice,
         gone_while_running, not_watched, no_thread, log_not_read, replaced_in_every_way, half_written, config_map,
         golden, verify, cleanup, two_at_once]

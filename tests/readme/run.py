#!/usr/bin/env python3
"""Does what README.md says one can do, and compares with what it says comes of it.

Every indented block and every command in a table must be known here, and all that is known here must
be there: an example that is written anew is an error until it is told what to do with it. What cannot
be done here (no cluster, no registry) says who does it. As root, in a network namespace of its own."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 60


class Wrong(Exception):
    """What the README says is not so."""


class Scratch:
    """A folder with what examples take for granted, and what the last one printed."""

    def __init__(self, folder, programs):
        self.folder, self.output = folder, ""
        (folder / "bin").mkdir()
        for name, program in programs.items():
            (folder / "bin" / name).symlink_to(program.resolve())
        for name in ("contrib", "compiler", "runtime", "golden", "tests"):
            (folder / name).symlink_to(ROOT / name)
        self.environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        shutil.copy(ROOT / "contrib" / "quickstart.d" / "cluster.json", folder)
        (folder / "kube-proxy.yaml").write_text(
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n"
            "hostnameOverride: worker-1\nclusterCIDR: 10.244.0.0/16\n")
        (folder / "flows.txt").write_text("10.244.1.10 tcp:10.96.0.50:80 reset\n")
        self.shell("kpcompile --config kube-proxy.yaml cluster.json -o worker-1.nft")

    def shell(self, text, status=0):
        ended = subprocess.run(["bash", "-c", text], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
        if ended.returncode != status:
            raise Wrong(f"exit status {ended.returncode}, not {status}: {ended.stderr.strip()[:400]}")
        self.output = ended.stdout


# --- what may be done with an example; each takes the scratch folder and the example's text

def run(scratch, text):
    """Commands that succeed."""
    scratch.shell(text)


def session(scratch, text):
    """A command behind a dollar sign, and all that it prints."""
    command = re.match(r"\$ ((?:.*\\\n)*.*)\n", text)
    scratch.shell(command[1])
    expected = text[command.end():].strip()
    if scratch.output.strip() != expected:
        raise Wrong(f"prints\n{scratch.output}")


def excerpt(scratch, text):
    """Lines of sections of the ruleset, in their order; lines between them may be left out."""
    scratch.shell("kpcompile --node worker-1 --cluster-cidr 10.244.0.0/16 cluster.json")
    printed = [line.strip() for line in scratch.output.splitlines()]
    at = 0
    for line in text.splitlines():
        at = at if line.startswith((" ", "}")) else 0
        if line.strip() not in printed[at:]:
            raise Wrong(f"the ruleset has no such line{' there' if line.strip() in printed else ''}: {line}")
        at = printed.index(line.strip(), at) + 1


def paths(scratch, text):
    """Folders that there are."""
    inside = pathlib.Path()
    for line in text.splitlines():
        found = re.match(r"( *)([a-z]+)/ ", line)
        if not found:
            continue
        inside = pathlib.Path(found[2]) if not found[1] else inside
        path = inside if not found[1] else inside / found[2]
        if not (ROOT / path).is_dir():
            raise Wrong(f"there is no folder {path}")


def flows(scratch, text):
    """The table of flows is met."""
    (scratch.folder / "flows.txt").write_text(text)
    scratch.shell("kpcompile explain --config kube-proxy.yaml --strict cluster.json --flows flows.txt")


def as_given(*commands, status=0):
    """These commands, which are the example with all that it leaves to the reader."""
    def act(scratch, _):
        for command in commands[:-1]:
            scratch.shell(command)
        scratch.shell(commands[-1], status)
    return act


def there(scratch, text):
    """A program that says what it does."""
    try:
        ended = subprocess.run([ROOT / text.split()[0], "--help"], stdout=subprocess.PIPE, text=True, timeout=SECONDS)
    except OSError as error:
        raise Wrong(str(error)) from None
    if "usage" not in ended.stdout:
        raise Wrong("does not know --help")


def served(readme):
    """The pages that the table of pages names: [(URL, ...)]"""
    urls = []
    for pages, where in re.findall(r"^\| (`/.*?) \| `([0-9.]+:[0-9]+)` \|", readme, re.MULTILINE):
        urls += [f"http://{where.replace('0.0.0.0', '127.0.0.1')}{page}" for page in re.findall("`(/[^`]*)`", pages)]
    return urls


def follow(scratch, text):
    """kproxy, which serves what the README says until it is told to end."""
    urls = served((ROOT / "README.md").read_text())
    if len(urls) < 8:
        raise Wrong(f"the table of pages names {urls}")
    process = subprocess.Popen([*text.split()], cwd=scratch.folder, env=scratch.environment, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + SECONDS
        for url in urls:
            while True:
                try:
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        answer.read()
                    break
                except OSError as error:
                    if time.monotonic() > end or process.poll() is not None:
                        raise Wrong(f"{url}: {error}") from None
                    time.sleep(0.05)
        scratch.shell("nft list chain inet kproxy prerouting")
        process.send_signal(signal.SIGTERM)
        if process.wait(SECONDS) != 0:
            raise Wrong(f"exit status {process.returncode}: {process.stderr.read()}")
        scratch.shell("nft list chain inet kproxy prerouting")
    finally:
        process.kill()
        process.wait()


class Elsewhere:
    """Cannot be done here; this does it."""

    def __init__(self, who):
        self.who = who


CLUSTER = "tests/deploy, against API server, chart and image as far as a machine without them can"
EXPLAIN = "kpcompile explain --node worker-1 --cluster-cidr 10.244.0.0/16 cluster.json"
COMPILE = "kpcompile --config kube-proxy.yaml cluster.json"
SNAPSHOT = "kproxy --snapshot cluster.json --config kube-proxy.yaml"
OTHER = "grep -v '10.244.1.21 . 8080' worker-1.nft >other.nft"

# The indented blocks, by their first line.
BLOCKS = {
    "sudo contrib/quickstart": Elsewhere("each builds everything, and is run by itself"),
    "kpcompile --node worker-1 --cluster-cidr 10.244.0.0/16 contrib/quickstart.d/cluster.json": run,
    "chain services4 {": excerpt,
    "map services4 {": excerpt,
    "chain services4-random-3 {": excerpt,
    "map services4-external {": excerpt,
    "chain unserved-prerouting {": excerpt,
    "kubectl get services,endpointslices,nodes,servicecidrs -A -o json > cluster.json": Elsewhere(CLUSTER),
    "$ kpcompile explain --node worker-1 --cluster-cidr 10.244.0.0/16 contrib/quickstart.d/cluster.json \\": session,
    "docker build --file contrib/Dockerfile --tag registry.example.com/kproxy:0.1.0 .": Elsewhere(CLUSTER),
    "helm install kproxy contrib/deploy/helm/kproxy --namespace kube-system \\": Elsewhere(CLUSTER),
    "(cd build/release && cpack -G DEB) && sudo apt install ./build/release/kproxy_0.1.0-1_amd64.deb": Elsewhere(CLUSTER),
    "kpcompile --config kube-proxy.yaml --strict --check --golden worker-1.nft cluster.json": run,
    "# FROM       TO                      OUTCOME": flows,
    "sudo apt install $(. contrib/packages.sh && echo \"${BUILD_PACKAGES[@]}\")": Elsewhere("contrib/check builds so"),
    "compiler/   snapshot in, ruleset out; no system calls": paths,
}

# The commands in tables.
COMMANDS = {
    "kpcompile --node worker-1 cluster.json": run,
    "kpcompile ... --output stats": as_given(f"{COMPILE} --output stats"),
    "kpcompile ... --check": as_given(f"{COMPILE} --check"),
    "kpcompile ... --golden worker-1.nft": as_given(f"{COMPILE} --golden worker-1.nft", OTHER, f"{COMPILE} --golden other.nft", status=1),
    "kpcompile diff A B": as_given("kpcompile diff worker-1.nft worker-1.nft", OTHER, "kpcompile diff worker-1.nft other.nft", status=1),
    "kpcompile explain ... --from IP --to tcp:IP:PORT": as_given(f"{EXPLAIN} --from 10.244.1.10 --to tcp:10.96.0.50:80"),
    "kpcompile explain ... --flows flows.txt": as_given(
        "echo '10.244.1.10 tcp:10.96.0.50:80 reset' >flows.txt", f"{EXPLAIN} --flows flows.txt",
        "echo '10.244.1.10 tcp:10.96.0.50:80 drop' >flows.txt", f"{EXPLAIN} --flows flows.txt", status=1),
    "kproxy --config config.yaml": Elsewhere("tests/apiserver, with a double of the API server"),
    "kproxy --init-only": Elsewhere("tests/apiserver; it changes the machine's settings"),
    "kproxy --snapshot cluster.json --node worker-1": follow,
    "kproxy --snapshot ... --once": as_given(f"{SNAPSHOT} --once"),
    "kproxy --snapshot ... --golden worker-1.nft": as_given(
        f"{SNAPSHOT} --once --golden worker-1.nft", OTHER, f"{SNAPSHOT} --once --golden other.nft", status=1),
    "kproxy verify --snapshot ...": as_given(
        f"{SNAPSHOT} --once", "kproxy verify --snapshot cluster.json --config kube-proxy.yaml",
        "nft flush map inet kproxy services4-endpoints", "kproxy verify --snapshot cluster.json --config kube-proxy.yaml", status=1),
    "kproxy --cleanup": as_given(f"{SNAPSHOT} --once", "kproxy --cleanup", "nft list table inet kproxy", status=1),
    "kproxy --write-config-to FILE": as_given(
        "kproxy --proxy-mode=nftables --write-config-to written.yaml", "grep 'kind: \"KubeProxyConfiguration\"' written.yaml"),
    "tests/bench/run.py build/release": there,
    "tests/bench/latency.py build/release": there,
    "tests/bench/soak.py build/release --minutes 10": there,
    "tests/bench/data_plane.py build/release": there,
    "tests/load/run.py --long ...": there,
}


def blocks(readme):
    """[(line number, text)] of what is indented by four."""
    found, lines = [], readme.splitlines()
    at = 0
    while at < len(lines):
        if lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            begin = at
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            found.append((begin + 1, "\n".join(line[4:] for line in lines[begin:at]).rstrip() + "\n"))
        else:
            at += 1
    return found


def commands(readme):
    """[(line number, text)] of the first column of tables whose head is `command`."""
    found, inside = [], False
    for number, line in enumerate(readme.splitlines(), 1):
        inside = line.startswith("| command |") or (inside and line.startswith("|"))
        cell = re.match(r"\| `([^`]*)`", line) if inside else None
        if cell:
            found.append((number, cell[1]))
    return found


def first_line(text):
    """Without a comment behind it; a diagram is told by its boxes."""
    return re.sub(r"  +# .*", "", text.splitlines()[0]).strip()


def check(examples, known, name_of, scratch):
    """[(line number, name, problem or nothing, who does it instead)]"""
    results, seen = [], set()
    for number, text in examples:
        name = name_of(text)
        seen.add(name)
        action, problem, who = known.get(name), "", ""
        if action is None:
            problem = "tests/readme/run.py does not know what to do with it"
        elif isinstance(action, Elsewhere):
            who = action.who
        else:
            try:
                action(scratch, text)
            except Wrong as wrong:
                problem = str(wrong)
            except subprocess.TimeoutExpired:
                problem = f"is not done after {SECONDS} s"
        results.append((number, name, problem, who))
    results += [(0, name, "is not in README.md any more", "") for name in known if name not in seen]
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kproxy", type=pathlib.Path, required=True)
    parser.add_argument("--kpcompile", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("run.py: needs root, for network namespaces and nftables")
    if "IN_NAMESPACE" not in os.environ:
        os.execvpe("unshare", ["unshare", "--net", sys.executable, __file__, *sys.argv[1:]], {**os.environ, "IN_NAMESPACE": "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    readme = (ROOT / "README.md").read_text()
    examples = [(number, text) for number, text in blocks(readme) if "┌" not in text]
    with tempfile.TemporaryDirectory(prefix="kproxy-readme-") as folder:
        scratch = Scratch(pathlib.Path(folder), {"kproxy": options.kproxy, "kpcompile": options.kpcompile})
        results = check(examples, BLOCKS, first_line, scratch) + check(commands(readme), COMMANDS, str, scratch)
    for number, name, problem, who in results:
        verdict = f"FAIL: {problem}" if problem else f"done elsewhere: {who}" if who else "ok"
        print(f"README.md:{number}: {name}: {verdict}")
    failed = sum(bool(problem) for _, _, problem, _ in results)
    elsewhere = sum(bool(who) for *_, who in results)
    print(f"{len(results) - failed - elsewhere} passed, {elsewhere} done elsewhere, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""kpcompile as a process: exit statuses, what goes to which stream, odd inputs.

Usage: kpcompile_test.py PATH-OF-KPCOMPILE [unittest arguments]
"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

KPCOMPILE = None  # set below, from the command line
TIMEOUT = 60


def node(name):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.11"}]},
    }


def service(name, address):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": name,
                     "creationTimestamp": "2024-01-01T00:00:00Z"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
    }


def endpoint_slice(name, *addresses):
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": "shop", "name": name + "-1",
                     "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}
                      for address in addresses],
    }


def listed(*items):
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


OBJECTS = [
    node("node-1"),
    service("web", "10.96.0.30"),
    endpoint_slice("web", "10.244.2.4", "10.244.2.5"),
    service("api", "10.96.0.31"),
    endpoint_slice("api", "10.244.2.6"),
]
FLOWS = """# pods reach web
10.244.1.7    tcp:10.96.0.30:80    10.244.2.4:8080 10.244.2.5:8080 plain

10.244.1.7    tcp:10.96.0.31:81    reset   # no such port
"""


class Kpcompile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kpcompile-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.snapshot = self.write("cluster.json", json.dumps(listed(*OBJECTS)))

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_it(self, *arguments, stdin="", status=0, stderr=""):
        """Runs it; stderr: None to accept anything, else what must be in it ("" for: nothing)."""
        result = subprocess.run([KPCOMPILE, *arguments], input=stdin, text=True, timeout=TIMEOUT,
                                capture_output=True, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        if stderr == "":
            self.assertEqual(result.stderr, "")
        elif stderr is not None:
            self.assertIn(stderr, result.stderr)
            for line in result.stderr.splitlines():
                self.assertTrue(line.startswith("kpcompile: "), line)
        return result.stdout

    def compile(self, *arguments, **expected):
        return self.run_it("--cluster-cidr=10.244.0.0/16", *arguments, **expected)

    # Compiling

    def test_text_goes_to_stdout_and_is_the_same_each_time(self):
        text = self.compile(self.snapshot)
        self.assertIn("table inet kproxy {", text)
        self.assertIn("10.96.0.30 . tcp . 80", text)
        self.assertIn("# shop/web:http", text)
        self.assertEqual(text, self.compile(self.snapshot))

    def test_order_and_packing_of_the_input_do_not_count(self):
        text = self.compile(self.snapshot)
        backwards = self.write("backwards.json", json.dumps(listed(*reversed(OBJECTS)), indent=1))
        self.assertEqual(text, self.compile(backwards))
        for number, each in enumerate(OBJECTS):
            self.write("manifests/%d.json" % number, json.dumps(each))
        self.write("manifests/README.txt", "not a manifest")
        self.assertEqual(text, self.compile(os.path.join(self.folder, "manifests")))
        with open(self.snapshot, encoding="utf-8") as file:
            self.assertEqual(text, self.compile("-", stdin=file.read()))

    def test_out_file(self):
        out = os.path.join(self.folder, "out.nft")
        self.assertEqual(self.compile(self.snapshot, "-o", out), "")
        with open(out, encoding="utf-8") as file:
            self.assertEqual(file.read(), self.compile(self.snapshot))
        self.compile(self.snapshot, "-o", os.path.join(self.folder, "no/such/out.nft"), status=1,
                     stderr="cannot be opened")

    def test_an_output_that_is_open_already_is_written_on(self):
        text = self.compile(self.snapshot)
        for mode in ("a", "w"):
            for path in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
                with self.subTest(mode=mode, path=path):
                    log = self.write("log", "")
                    with open(log, mode, encoding="utf-8") as file:
                        file.write("before\n")
                        file.flush()
                        subprocess.run([KPCOMPILE, "--cluster-cidr=10.244.0.0/16", self.snapshot, "-o", path],
                                       stdout=file, timeout=TIMEOUT, check=True)
                    with open(log, encoding="utf-8") as file:
                        self.assertEqual(file.read(), "before\n" + text)
        self.assertEqual(self.compile(self.snapshot, "-o", "/dev/stdout"), text)
        self.compile(self.snapshot, "-o", "/dev/fd/77", status=1, stderr="/dev/fd/77: cannot be opened")

    def test_json(self):
        report = json.loads(self.compile("--output", "json", self.snapshot))
        self.assertEqual(report["node"], "node-1")
        self.assertEqual(report["structure"]["baseChains"], 6)
        self.assertEqual(report["elements"]["services4"], 2)
        self.assertEqual(list(report["services"]), ["shop/api", "shop/web"])
        port = report["services"]["shop/web"][0]
        self.assertEqual(port["frontends"],
                         [{"kind": "ClusterIP", "address": "10.96.0.30", "port": 80}])
        self.assertEqual([each["address"] for each in port["endpoints"]],
                         ["10.244.2.4", "10.244.2.5"])
        self.assertEqual(report["conflicts"], [])

    def test_stats(self):
        stats = self.compile("--output=stats", self.snapshot)
        numbers = dict(line.rsplit(None, 1) for line in stats.splitlines() if line)
        self.assertEqual(numbers["Services"], "2")
        self.assertEqual(numbers["endpoints"], "3")
        self.assertEqual(numbers["base chains"], "6")

    def test_diagnostics_go_to_stderr_and_count_under_strict(self):
        objects = copy.deepcopy(OBJECTS)
        objects[1]["spec"]["ports"][0]["port"] = -1
        broken = self.write("broken.json", json.dumps(listed(*objects)))
        text = self.compile(broken, stderr="shop/web")
        self.assertIn("# shop/api:http", text)
        self.assertEqual(self.compile("--strict", broken, status=1, stderr="shop/web"), "")
        self.assertEqual(self.compile("--strict", self.snapshot), self.compile(self.snapshot))

    def test_a_slice_of_host_names_is_told_of_and_takes_nothing_with_it(self):
        names = endpoint_slice("web", "web.example")
        names["metadata"]["name"] = "web-2"
        names["addressType"] = "FQDN"
        mixed = self.write("mixed.json", json.dumps(listed(*OBJECTS, names)))
        told = 'EndpointSlice shop/web-2: is "FQDN"'
        self.assertEqual(self.compile(mixed, stderr=told), self.compile(self.snapshot))
        self.compile("--strict", mixed, status=1, stderr=told)

    def test_what_would_vanish_is_told_of(self):
        text = self.compile(self.snapshot)
        moved, small = endpoint_slice("web", "10.244.2.9"), service("web", "10.96.0.39")
        moved["apiVersion"], small["kind"] = "v1", "service"
        knative = {**service("web", "10.96.0.39"), "apiVersion": "serving.knative.dev/v1"}
        for items, told in (
                ([*OBJECTS, moved], "EndpointSlice shop/web-1: is left out"),
                ([*OBJECTS, small], "Service shop/web: is left out"),
                ([service("web", "10.96.0.39"), *OBJECTS], "Service shop/web: is given more than once"),
                ([*OBJECTS, *OBJECTS], ""),
                ([*OBJECTS, knative], "")):
            path = self.write("more.json", json.dumps(listed(*items)))
            with self.subTest(told=told):
                self.assertEqual(self.compile(path, stderr=told), text)
                self.compile("--strict", path, status=1 if told else 0, stderr=told)
        # Each file by itself is right.
        other = self.write("other.json", json.dumps(listed(service("web", "10.96.0.39"))))
        self.assertEqual(self.compile(other, self.snapshot,
                                      stderr="cluster.json: Service shop/web: is given more than once"), text)

    def test_configuration(self):
        config = self.write("config.yaml", "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
                            "kind: KubeProxyConfiguration\nclusterCIDR: 10.244.0.0/16\n")
        self.assertEqual(self.run_it("--config", config, self.snapshot),
                         self.compile(self.snapshot))
        bad = self.write("bad.yaml", "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
                         "kind: KubeProxyConfiguration\nbindAddress: x\nmode: y1\n")
        self.run_it("--config", bad, self.snapshot, status=1,
                    stderr="KubeProxyConfiguration.bindAddress")
        self.run_it("--config", bad, self.snapshot, status=1, stderr="KubeProxyConfiguration.mode")
        self.run_it("--config", "/no/such", self.snapshot, status=1, stderr="/no/such")

    def test_the_node_must_be_told_among_several(self):
        several = self.write("several.json", json.dumps(listed(node("node-2"), *OBJECTS)))
        self.compile(several, status=1, stderr="node")
        self.assertEqual(self.compile("--node=node-1", several), self.compile(self.snapshot))

    def test_a_node_name_brings_no_line_of_its_own(self):
        for name in ("n1\nflush ruleset\n#", "n1\x7f", "node 1"):
            with self.subTest(name=name):
                self.assertEqual(self.compile("--node", name, self.snapshot, status=1,
                                              stderr="KubeProxyConfiguration.hostnameOverride"), "")

    def test_inputs_that_cannot_be_read(self):
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        cases = [
            ("/no/such/file", "/no/such/file: cannot be opened"),
            ("", "cannot be opened"),
            (empty, "without *.json"),
            (self.write("half.json", '{"kind": "List", "items": [{"ki'), "half.json"),
            (self.write("blank.json", " \n"), "blank.json"),
            (self.write("list.json", "[]"), "list.json"),
            (self.write("text.json", "table inet kproxy\n"), "text.json"),
            (self.write("refused.json", '{"kind": "Status", "code": 401}'), 'refused.json: $.kind: is "Status"'),
            (self.write("pods.json", json.dumps(listed({"kind": "Pod"}))), "pods.json: $.items: holds other kinds"),
        ]
        for path, told in cases:
            with self.subTest(path=path):
                self.assertEqual(self.compile(path, status=1, stderr=told), "")
        # Standard input that is closed, or a directory.
        result = subprocess.run(["sh", "-c", '"$0" - <&-', KPCOMPILE], timeout=TIMEOUT,
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard input: cannot be read", result.stderr)
        with open("/dev/null", encoding="utf-8") as null:
            folder = os.open(self.folder, os.O_RDONLY)
            self.addCleanup(os.close, folder)
            result = subprocess.run([KPCOMPILE, "-"], stdin=folder, stdout=null, timeout=TIMEOUT,
                                    stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard input: cannot be read", result.stderr)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            for arguments in ([self.snapshot], ["--help"], ["--version"],
                              ["--output=json", self.snapshot]):
                result = subprocess.run([KPCOMPILE, *arguments], stdout=full, timeout=TIMEOUT,
                                        stderr=subprocess.PIPE, text=True, check=False)
                self.assertEqual(result.returncode, 1, arguments)
                self.assertIn("No space left on device", result.stderr)

    def test_broken_pipe_ends_it(self):
        reading, writing = os.pipe()
        os.close(reading)
        for restore in (True, False):  # with SIGPIPE as usual, and ignored as under some parents
            result = subprocess.run([KPCOMPILE, self.snapshot], stdout=writing, timeout=TIMEOUT,
                                    stderr=subprocess.PIPE, check=False, restore_signals=restore)
            self.assertNotEqual(result.returncode, 0)
        os.close(writing)

    def test_wrong_usage(self):
        for arguments in ([], ["--no-such-flag", "x"], ["--output=xml", self.snapshot],
                          ["--golden", "x", "-o", "y", self.snapshot],
                          ["explain", self.snapshot], ["explain", "--from", "10.0.0.1", "x"],
                          ["explain", "--from=x", "--to=tcp:10.96.0.30:80", self.snapshot]):
            with self.subTest(arguments=arguments):
                result = subprocess.run([KPCOMPILE, *arguments], timeout=TIMEOUT, text=True,
                                        capture_output=True, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertEqual(result.stdout, "")
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for arguments in ([], ["x"], ["x", "y", "z"], ["--no-such-flag", "x", "y"], ["-", "-"]):
            with self.subTest(arguments=arguments):
                self.run_it("diff", *arguments, status=2, stderr="error")

    def test_help_and_version(self):
        for command in ([], ["diff"], ["explain"]):
            text = self.run_it(*command, "--help")
            self.assertIn("Examples:", text)
            self.assertIn("Exit status", text)
            self.assertIn("--cluster-cidr", text)
        self.assertRegex(self.run_it("--version"), r"^kpcompile \d+\.\d+\.\d+\n$")

    def test_completions_know_all_options(self):
        folder = os.path.join(os.path.dirname(__file__), "../../contrib/completions")
        options = set()
        for command in ([], ["diff"], ["explain"]):
            options.update(re.findall(r"--([a-z-]+)", self.run_it(*command, "--help")
                                      .split("Examples:")[0]))
        self.assertIn("iptables-masquerade-bit", options)
        for shell in ("bash", "zsh", "fish"):
            with open(os.path.join(folder, "kpcompile." + shell), encoding="utf-8") as file:
                known = set(re.findall(r"(?:--|-l )([a-z][a-z-]*)", file.read()))
            self.assertEqual(options - known, set(), shell)

    def test_manual_page_knows_all_options(self):
        with open(os.path.join(os.path.dirname(__file__), "../../contrib/man/kpcompile.1.scd"),
                  encoding="utf-8") as file:
            known = set(re.findall(r"--([a-z][a-z-]*)", file.read()))
        for command in ([], ["diff"], ["explain"]):
            options = set(re.findall(r"--([a-z-]+)", self.run_it(*command, "--help").split("Examples:")[0]))
            self.assertEqual(options - known, set(), command)

    # Golden files

    def test_golden(self):
        golden = self.write("golden.nft", self.compile(self.snapshot))
        self.assertEqual(self.compile("--golden", golden, self.snapshot), "")
        objects = copy.deepcopy(OBJECTS)
        objects[4] = endpoint_slice("api", "10.244.2.9")
        other = self.write("other.json", json.dumps(listed(*objects)))
        told = self.compile("--golden", golden, other, status=1)
        self.assertIn("Service shop/api\n", told)
        self.assertIn("10.244.2.6 . 8080 -> 10.244.2.9 . 8080", told)
        self.assertNotIn("shop/web", told)
        # The same ruleset in another layout is a difference too, and one that is told.
        with open(golden, "a", encoding="utf-8") as file:
            file.write("\n")
        self.assertIn("another order", self.compile("--golden", golden, self.snapshot, status=1))
        foreign = self.write("foreign.nft", "table ip filter {\n}\n")
        self.compile("--golden", foreign, self.snapshot, status=1, stderr="foreign.nft:1")
        self.compile("--golden", "/no/such", self.snapshot, status=1, stderr="/no/such")

    # diff

    def test_diff(self):
        objects = copy.deepcopy(OBJECTS)
        objects[2] = endpoint_slice("web", "10.244.2.4")
        after = self.write("after.json", json.dumps(listed(*objects), indent=2))
        flags = ["--cluster-cidr=10.244.0.0/16"]
        told = self.run_it("diff", *flags, self.snapshot, after, status=1)
        self.assertIn("Service shop/web\n", told)
        self.assertIn("goto services4-random-2 -> goto services4-random-1", told)
        self.assertIn("- map services4-endpoints: 10.96.0.30 . tcp . 80 . 1 : 10.244.2.5 . 8080",
                      told)
        self.assertNotIn("Service shop/api\n", told)
        self.assertEqual(self.run_it("diff", *flags, self.snapshot, self.snapshot), "")
        # Snapshots, directories and rulesets in any mix, known by what they hold.
        ruleset = self.write("ruleset.json", self.compile(self.snapshot))
        self.write("manifests/all", "ignored")
        self.write("manifests/all.json", "\n  " + json.dumps(listed(*OBJECTS)))
        folder = os.path.join(self.folder, "manifests")
        for one in (self.snapshot, ruleset, folder):
            for other in (self.snapshot, ruleset, folder):
                self.assertEqual(self.run_it("diff", *flags, one, other), "")
            self.assertEqual(self.run_it("diff", *flags, one, after, status=1), told)
        self.assertEqual(self.run_it("diff", *flags, "-", after, status=1,
                                     stdin=self.compile(self.snapshot)), told)
        self.assertEqual(self.run_it("diff", *flags, "-", after, status=1,
                                     stdin=json.dumps(listed(*OBJECTS))), told)

    def test_diff_in_trouble(self):
        for path in ("/no/such", self.write("words", "just words\n"), self.write("empty", ""),
                     self.write("half.json", '{"kind": ')):
            with self.subTest(path=path):
                self.assertEqual(self.run_it("diff", path, self.snapshot, status=2,
                                             stderr="error"), "")

    # explain

    def test_explain(self):
        flags = ["--cluster-cidr=10.244.0.0/16", self.snapshot]
        to_web = ["--from=10.244.1.7", "--to=tcp:10.96.0.30:80"]
        self.assertEqual(self.run_it("explain", *flags, *to_web, "--brief"),
                         "10.244.2.4:8080 10.244.2.5:8080 plain\n")
        told = self.run_it("explain", *flags, *to_web)
        self.assertIn("shop/web", told)
        self.assertGreater(len(told.splitlines()), 3)

    def test_flows(self):
        flags = ["explain", "--cluster-cidr=10.244.0.0/16", self.snapshot, "--flows"]
        printed = FLOWS.replace("reset   #", "reset  #")
        self.assertEqual(self.run_it(*flags, self.write("flows.txt", FLOWS)), printed)
        wrong = FLOWS.replace("reset", "drop").replace("10.244.2.5:8080 ", "") + "10.0.0.1 x drop\n"
        path = self.write("wrong.txt", wrong)
        told = self.run_it(*flags, path, status=1, stderr="wrong.txt:2: ")
        self.assertEqual(told, printed + "10.0.0.1 x drop\n")
        self.run_it(*flags, path, status=1, stderr="wrong.txt:4: 10.244.1.7 tcp:10.96.0.31:81: "
                    "expected drop, got reset")
        self.run_it(*flags, path, status=1, stderr="wrong.txt:5")
        # What stands behind FROM and TO may be missing, to have it filled in.
        bare = self.write("bare.txt", "10.244.1.7 tcp:10.96.0.31:81\n")
        self.assertEqual(self.run_it(*flags, bare, status=1, stderr="expected nothing"),
                         "10.244.1.7 tcp:10.96.0.31:81  reset\n")

    def test_a_table_without_a_flow_checks_nothing(self):
        for text in ("", "\n", "# FROM TO OUTCOME\n", "# cut"):
            with self.subTest(text=text):
                path = self.write("none.txt", text)
                self.run_it("explain", self.snapshot, "--flows", path, status=1,
                            stderr="none.txt: holds no flow")
        self.run_it("explain", self.snapshot, "--flows", "/dev/null", status=1,
                    stderr="/dev/null: holds no flow")

    # --check

    def test_check(self):
        self.assertEqual(self.compile("--check", self.snapshot), self.compile(self.snapshot))

    def test_check_leaves_nothing_behind(self):
        script = '"$0" --check "$1" > /dev/null && nft list tables'
        result = subprocess.run(["unshare", "--net", "sh", "-c", script, KPCOMPILE, self.snapshot],
                                capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_check_where_the_kernel_forbids_namespaces(self):
        unshare = ["unshare", "--user", "--map-root-user"]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
            print("NOT TESTED: there are no user namespaces here")
            return
        script = 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$0" --check "$1"'
        result = subprocess.run([*unshare, "sh", "-c", script, KPCOMPILE, self.snapshot],
                                capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("no network namespace of its own", result.stderr)


if __name__ == "__main__":
    KPCOMPILE = os.path.abspath(sys.argv.pop(1))
    unittest.main()

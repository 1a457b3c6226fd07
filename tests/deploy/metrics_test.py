"""The dashboard and the alerts ask for metrics that kproxy has, and Prometheus understands how."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import debian_yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "contrib/grafana/kproxy.json"
ALERTS = ROOT / "contrib/prometheus/alerts.yaml"
ALERTS_TEST = ROOT / "contrib/prometheus/alerts_test.yaml"
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=ROOT / "build/tools") or "promtool"
OF_PROMETHEUS = {"up"}
LABELS_OF_THE_SCRAPE = {"job", "instance", "le"}


def known_metrics():
    """{name: (is it a histogram?, its labels)}, from the code that declares them."""
    found = {}
    declarations = (ROOT / "runtime/serve/proxy_metrics.h").read_text()
    for kind, name, rest in re.findall(r"^  (\S+) \w+\{(?:sli_)?registry, \"(\w+)\"(.*)\};$", declarations, re.MULTILINE):
        by_family = {"ip_family"} if kind.startswith("ByFamily") else set()
        listed = re.search(r"\{((?:\"\w+\"(?:, )?)+)\}", rest)
        found[name] = ("Histogram" in kind, by_family | set(re.findall(r"\w+", listed[1]) if listed else []))
    for name in re.findall(r"\"(process_\w+)\"", (ROOT / "runtime/serve/process_metrics.cc").read_text()):
        found[name] = (False, set())
    return found


def problems(expression, metrics):
    """What is asked of metrics that are not there."""
    found = []
    bare = re.sub(r"\"[^\"]*\"", '""', expression)
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\bby\s*\(([^)]*)\)", bare))))
    matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", bare))
    names = set(re.findall(r"\b(?:kubeproxy|kproxy|kubernetes|rest_client|process)_\w+|\bup\b", bare))
    labels = set(LABELS_OF_THE_SCRAPE)
    for name in sorted(names - OF_PROMETHEUS):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        histogram, has = metrics.get(name) or metrics.get(base) or (None, set())
        labels |= has
        if histogram is None:
            found.append(f"{name} is no metric of kproxy's")
        elif histogram != (name != base and name not in metrics):
            found.append(f"{name} is {'a histogram' if histogram else 'no histogram'}")
    found += [f"{label} is a label of none of {sorted(names)}" for label in sorted((grouped | matched) - labels)]
    return found if names else [f"{expression} asks for nothing"]


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions_of_the_dashboard():
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def alerts():
    return [rule for group in debian_yaml.document(ALERTS.read_text())["groups"] for rule in group["rules"]]


class Names(unittest.TestCase):
    def setUp(self):
        self.metrics = known_metrics()

    def test_all_declarations_are_read(self):
        text = (ROOT / "runtime/serve/proxy_metrics.h").read_text()
        quoted = set(re.findall(r"\"((?:kubeproxy|kproxy|kubernetes|rest_client)_\w+)\"", text))
        self.assertLessEqual(quoted, set(self.metrics))
        self.assertEqual((True, {"ip_family"}), self.metrics["kubeproxy_sync_proxy_rules_duration_seconds"])
        self.assertEqual((False, {"ip_family", "traffic_policy"}),
                         self.metrics["kubeproxy_sync_proxy_rules_no_local_endpoints_total"])
        self.assertEqual((False, set()), self.metrics["kproxy_services"])

    def test_of_the_dashboard(self):
        found = expressions_of_the_dashboard()
        self.assertGreater(len(found), 20)
        self.assertEqual([], [problem for one in found for problem in problems(one, self.metrics)])

    def test_of_its_variables(self):
        variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
        for one in variables:
            if one["type"] == "query":
                metric = re.match(r"label_values\((\w+)", one["query"]["query"])[1]
                self.assertIn(metric, self.metrics)
        used = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))
        self.assertLessEqual(used - {"__rate_interval", "__all"}, {one["name"] for one in variables})

    def test_of_the_alerts(self):
        self.assertEqual([], [problem for rule in alerts() for problem in problems(rule["expr"], self.metrics)])

    def test_mistakes_are_found(self):
        for expression in ("kproxy_servces", "rate(kproxy_commit_duration_seconds[5m])", "kproxy_services_bucket",
                           "sum by (family) (kproxy_services)", 'kproxy_services{operation="insert"}', "vector(1)"):
            self.assertEqual(1, len(problems(expression, self.metrics)), expression)


class TheDashboard(unittest.TestCase):
    def test_panels_are_whole(self):
        found = panels()
        self.assertEqual(len(found), len({panel["id"] for panel in found}))
        for panel in found:
            with self.subTest(panel["title"]):
                self.assertIn(panel["type"], ("row", "stat", "timeseries"))
                if panel["type"] != "row":
                    self.assertEqual("${datasource}", panel["datasource"]["uid"])
                    self.assertTrue(panel["targets"])
                    self.assertEqual(len(panel["targets"]), len({one["refId"] for one in panel["targets"]}))

    def test_panels_do_not_overlap(self):
        taken = {}
        for panel in panels():
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                self.assertNotIn(cell, taken, f"{panel['title']} lies on {taken.get(cell)}")
                taken[cell] = panel["title"]

    def test_prometheus_understands_it(self):
        rules = [{"record": f"panel:{place}", "expr": re.sub(r"\$\w+", lambda at: "5m" if "interval" in at[0] else "x", one)}
                 for place, one in enumerate(expressions_of_the_dashboard())]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML
            file.flush()
            run_promtool("check", "rules", file.name)


class TheAlerts(unittest.TestCase):
    def test_each_says_what_it_is(self):
        names = [rule["alert"] for rule in alerts()]
        self.assertEqual(len(names), len(set(names)))
        for rule in alerts():
            self.assertLessEqual(set(rule), {"alert", "expr", "for", "labels", "annotations"})
            self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
            self.assertEqual({"summary", "description"}, set(rule["annotations"]))

    def test_each_is_tested_raised_and_not(self):
        cases = [case for test in debian_yaml.document(ALERTS_TEST.read_text())["tests"] for case in test["alert_rule_test"]]
        for rule in alerts():
            raised = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]}
            self.assertEqual({True, False}, raised, rule["alert"])

    def test_prometheus_understands_them(self):
        run_promtool("check", "rules", ALERTS)

    def test_prometheus_raises_them(self):
        run_promtool("test", "rules", ALERTS_TEST)


def run_promtool(*arguments):
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()

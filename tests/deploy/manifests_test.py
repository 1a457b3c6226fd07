"""contrib/deploy: each object is well-formed, they fit together, and the chart makes the same ones."""

import copy
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import chart
import debian_yaml
import shapes

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "contrib/deploy/base"
CHART = ROOT / "contrib/deploy/helm/kproxy"

# NODE-04
ALLOWED = {(group, resource, verb) for groups, resource, verbs in (
    ([""], "services", "list watch"), (["discovery.k8s.io"], "endpointslices", "list watch"),
    (["networking.k8s.io"], "servicecidrs", "list watch"), ([""], "nodes", "get list watch"),
    (["", "events.k8s.io"], "events", "create patch update")) for group in groups for verb in verbs.split()}
ASKED = {("", "services", "list"), ("", "services", "watch"), ("", "nodes", "list"), ("", "nodes", "watch"),
         ("discovery.k8s.io", "endpointslices", "list"), ("discovery.k8s.io", "endpointslices", "watch"),
         ("networking.k8s.io", "servicecidrs", "list"), ("networking.k8s.io", "servicecidrs", "watch"),
         ("events.k8s.io", "events", "create")}


def base_objects():
    kustomization = debian_yaml.document((BASE / "kustomization.yaml").read_text())
    return [one for name in kustomization["resources"] for one in debian_yaml.documents((BASE / name).read_text())]


def by_kind(objects):
    found = {one["kind"]: one for one in objects}
    assert len(found) == len(objects), "one object of each kind"
    return found


def project_version():
    return re.search(r"project\(kproxy VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]


def settings_of(configuration):
    """What kproxy makes of the configuration; fails where it would not start with it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(configuration)
        file.flush()
        done = subprocess.run([os.environ["KPROXY"], f"--config={file.name}", "--write-config-to=/dev/stdout"],
                              capture_output=True, text=True, timeout=30)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"kproxy complains of the configuration: {done.stderr}")
    return debian_yaml.document(done.stdout)


class Shapes(unittest.TestCase):
    def test_kustomization_names_every_file(self):
        kustomization = debian_yaml.document((BASE / "kustomization.yaml").read_text())
        self.assertEqual([], list(shapes.KUSTOMIZATION(kustomization, "kustomization")))
        files = {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}
        self.assertEqual(files, set(kustomization["resources"]))

    def test_objects_of_the_base(self):
        objects = base_objects()
        self.assertEqual(set(shapes.OBJECTS), {one["kind"] for one in objects})
        self.assertEqual([], [problem for one in objects for problem in shapes.problems(one)])

    def test_the_chart_itself(self):
        about = debian_yaml.document((CHART / "Chart.yaml").read_text())
        self.assertEqual([], list(shapes.CHART(about, "Chart.yaml")))
        self.assertEqual(project_version(), about["version"])
        self.assertEqual(project_version(), about["appVersion"])

    def test_mistakes_are_found(self):
        daemon_set = by_kind(base_objects())["DaemonSet"]
        self.assertEqual([], shapes.problems(daemon_set))
        mistakes = [
            lambda pod: pod.update(hostNetwrok=True),
            lambda pod: pod.update(hostNetwork="true"),
            lambda pod: pod["containers"][0].pop("image"),
            lambda pod: pod["containers"][0]["livenessProbe"]["httpGet"].update(port="10256"),
            lambda pod: pod["containers"][0]["securityContext"]["capabilities"].update(add="NET_ADMIN"),
            lambda pod: pod["tolerations"].append({}),
            lambda pod: pod["containers"][0]["resources"]["requests"].update(cpu=1),
        ]
        for place, mistake in enumerate(mistakes):
            wrong = copy.deepcopy(daemon_set)
            mistake(wrong["spec"]["template"]["spec"])
            self.assertEqual(1, len(shapes.problems(wrong)), f"mistake {place}: {shapes.problems(wrong)}")


class TheChart(unittest.TestCase):
    maxDiff = None

    def test_renders_as_the_base(self):
        self.assertEqual(self.comparable(base_objects()), self.comparable(chart.render_chart(CHART)))

    @staticmethod
    def comparable(objects):
        objects = copy.deepcopy(by_kind(objects))
        data = objects["ConfigMap"]["data"]
        data["config.yaml"] = debian_yaml.document(data["config.yaml"])  # it is the meaning that counts
        return objects

    def test_every_value_has_an_effect(self):
        """And what comes out is well-formed all the same."""
        changes = {
            "image.repository": "registry.example/kproxy", "image.tag": "1.2.3", "image.pullPolicy": "Always",
            "imagePullSecrets": [{"name": "pull"}], "apiServer.host": "fd00::1", "apiServer.port": 443,
            "config.clusterCIDR": "10.244.0.0/16", "config.mode": "", "config.nodePortAddresses": ["10.0.0.0/8"],
            "config.oomScoreAdj": 0, "config.healthzBindAddress": "0.0.0.0:10256", "config.apiVersion": "x", "config.kind": "x", "healthPort": 20256,
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            "nodeSelector": {"proxy": "kproxy"}, "tolerations": [{"operator": "Equal", "key": "a", "value": "b"}],
            "maxUnavailable": "50%",
        }
        before = by_kind(chart.render_chart(CHART))
        values = debian_yaml.document((CHART / "values.yaml").read_text())
        leaves = {f"{name}.{inner}" if inner else name for name, value in values.items()
                  for inner in (value if name in ("image", "apiServer", "config") else [None])}
        self.assertEqual(leaves, set(changes))
        for path, value in changes.items():
            with self.subTest(path):
                after = chart.render_chart(CHART, {path: value})
                self.assertEqual([], [problem for one in after for problem in shapes.problems(one)])
                self.assertNotEqual(before, by_kind(after))

    def test_namespace_is_the_release_s(self):
        objects = by_kind(chart.render_chart(CHART, namespace="proxies"))
        self.assertEqual({"proxies"}, {one["metadata"]["namespace"] for one in objects.values()
                                       if "namespace" in one["metadata"]})
        self.assertEqual("proxies", objects["ClusterRoleBinding"]["subjects"][0]["namespace"])

    def test_the_renderer_knows_its_limits(self):
        for template in ("{{ if .Values.a }}x{{ end }}", "{{ .Values.missing }}", "{{ with .Values.a }}", "{{ end }}",
                         "{{ upper .Values.a }}"):
            with self.assertRaises(chart.Unknown):
                chart.render(template, {"Values": {"a": "b"}})
        self.assertEqual("a:\n  - x\nz", chart.render("a:\n  {{- toYaml .Values.l | nindent 2 }}\nz", {"Values": {"l": ["x"]}}))
        self.assertEqual('"b" 1', chart.render('{{ .Values.a | quote }} {{ .Values.e | default 1 }}',
                                               {"Values": {"a": "b", "e": ""}}))
        self.assertEqual("", chart.render("{{ with .Values.e }}{{ . }}{{ end }}", {"Values": {"e": []}}))


class TheParts(unittest.TestCase):
    """That they fit: of the base, and so of the chart."""

    def setUp(self):
        self.objects = by_kind(base_objects())
        self.set = self.objects["DaemonSet"]
        self.pod = self.set["spec"]["template"]["spec"]
        self.init, = self.pod["initContainers"]
        self.main, = self.pod["containers"]
        self.config = settings_of(self.objects["ConfigMap"]["data"]["config.yaml"])

    def test_rights_are_those_that_are_needed(self):
        """NODE-04"""
        given = {(group, resource, verb) for rule in self.objects["ClusterRole"]["rules"] for group in rule["apiGroups"]
                 for resource in rule["resources"] for verb in rule["verbs"]}
        self.assertLessEqual(given, ALLOWED)
        self.assertEqual(given, ASKED)

    def test_the_rights_are_given_to_who_asks(self):
        account, binding = self.objects["ServiceAccount"]["metadata"], self.objects["ClusterRoleBinding"]
        self.assertEqual(self.pod["serviceAccountName"], account["name"])
        self.assertEqual(binding["subjects"], [{"kind": "ServiceAccount", "name": account["name"],
                                                "namespace": account["namespace"]}])
        self.assertEqual(binding["roleRef"]["name"], self.objects["ClusterRole"]["metadata"]["name"])

    def test_everything_is_in_the_namespace(self):
        for one in self.objects.values():
            self.assertEqual("kube-system", one["metadata"].get("namespace", "kube-system"))

    def test_pods_are_found_by_their_labels(self):
        """E2E-06: by k8s-app=kube-proxy, in kube-system."""
        labels = self.set["spec"]["template"]["metadata"]["labels"]
        self.assertEqual("kube-proxy", labels["k8s-app"])
        self.assertLessEqual(self.set["spec"]["selector"]["matchLabels"].items(), labels.items())
        # kube-proxy's own pods do not have this one, so that neither takes the other's for its own.
        self.assertIn("app.kubernetes.io/name", self.set["spec"]["selector"]["matchLabels"])

    def test_it_runs_on_every_node_before_all_else(self):
        self.assertTrue(self.pod["hostNetwork"])
        self.assertEqual("system-node-critical", self.pod["priorityClassName"])
        self.assertEqual([{"operator": "Exists"}], self.pod["tolerations"])
        self.assertEqual({"kubernetes.io/os": "linux"}, self.pod["nodeSelector"])

    def test_privileges(self):
        """CFG-63: after --init-only, one capability is enough."""
        self.assertTrue(self.init["securityContext"]["privileged"])
        self.assertIn("--init-only", self.init["args"])
        security = self.main["securityContext"]
        self.assertEqual({"drop": ["ALL"], "add": ["NET_ADMIN"]}, security["capabilities"])
        self.assertFalse(security["allowPrivilegeEscalation"])
        self.assertNotIn("privileged", security)
        self.assertNotIn("--init-only", self.main["args"])

    def test_mounts_have_volumes_and_volumes_have_mounts(self):
        volumes = {one["name"]: one for one in self.pod["volumes"]}
        mounted = {mount["name"] for container in (self.init, self.main) for mount in container["volumeMounts"]}
        self.assertEqual(set(volumes), mounted)
        data = self.objects["ConfigMap"]["data"]
        source = volumes["config"]["configMap"]
        self.assertEqual(self.objects["ConfigMap"]["metadata"]["name"], source["name"])
        for item in source["items"]:
            self.assertIn(item["key"], data)
        for container in (self.init, self.main):
            mount, = (one for one in container["volumeMounts"] if one["name"] == "config")
            path, = (argument.removeprefix("--config=") for argument in container["args"] if argument.startswith("--config="))
            self.assertIn(path, [f"{mount['mountPath']}/{item['path']}" for item in source["items"]])

    def test_the_environment_can_be_filled_in(self):
        for variable in self.main["env"]:
            reference = variable["valueFrom"].get("configMapKeyRef")
            if reference:
                self.assertEqual(self.objects["ConfigMap"]["metadata"]["name"], reference["name"])
                self.assertIn(reference["key"], self.objects["ConfigMap"]["data"])
        names = {variable["name"] for variable in self.main["env"]}
        self.assertLessEqual({"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}, names)
        for argument in self.main["args"]:
            for name in re.findall(r"\$\((\w+)\)", argument):
                self.assertIn(name, names)

    def test_the_configuration_is_kproxy_s(self):
        self.assertEqual("nftables", self.config["mode"])
        self.assertEqual(["primary"], self.config["nodePortAddresses"])

    def test_the_probes_ask_where_it_answers(self):
        """HC-01"""
        address, _, port = self.config["healthzBindAddress"].rpartition(":")
        self.assertEqual("[::]", address)  # kubelet asks by IPv4 or IPv6, whichever the node has
        port = int(port)
        paths = {name: self.main[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
        self.assertEqual({"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/healthz"},
                         {name: probe["path"] for name, probe in paths.items()})
        self.assertEqual({port}, {probe["port"] for probe in paths.values()})
        self.assertEqual([port], [one["containerPort"] for one in self.main["ports"]])
        probe = self.main["startupProbe"]
        # For so long a start may wait for the Node's podCIDR.
        self.assertGreater(probe["periodSeconds"] * probe["failureThreshold"], 330)

    def test_the_image_is_of_this_version(self):
        self.assertEqual({f"kproxy:{project_version()}"}, {self.init["image"], self.main["image"]})

    def test_the_arguments_are_kproxy_s(self):
        for container in (self.init, self.main):
            arguments = [one.replace("$(NODE_NAME)", "worker-1") for one in container["args"] if not one.startswith("--config=")]
            done = subprocess.run([os.environ["KPROXY"], *arguments, "--write-config-to=/dev/null"], capture_output=True,
                                  text=True, timeout=30)
            self.assertEqual((0, ""), (done.returncode, done.stderr))


if __name__ == "__main__":
    unittest.main()

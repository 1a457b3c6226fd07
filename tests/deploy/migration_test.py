"""What contrib/migration.md names is there: metrics, flags, values of the chart; its patches are JSON."""

import json
import os
import pathlib
import re
import subprocess
import unittest

import debian_yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "contrib/migration.md").read_text()
PROGRAMS = {"kproxy": "KPROXY", "kpcompile": "KPCOMPILE"}


def commands():
    """Indented lines, those that go on in the next one joined."""
    return re.sub(r"(\\|\||--) *\n\s+", "", "\n".join(re.findall(r"(?m)^    (.*)$", PAGE))).splitlines()


class Migration(unittest.TestCase):
    def test_metrics(self):
        known = set(re.findall(r"\"(\w+)\"", (ROOT / "runtime/serve/proxy_metrics.h").read_text()))
        named = set(re.findall(r"`(k(?:ube)?proxy_\w+)`", PAGE))
        self.assertGreater(len(named), 4)
        self.assertEqual(set(), named - known)

    def test_flags(self):
        asked = 0
        for command in commands():
            for program, variable in PROGRAMS.items():
                found = re.search(rf"(?:^|/usr/sbin/){program}( verify| explain)? (--.*)", command)
                if not found:
                    continue
                words = [os.environ[variable], *(found[1] or "").split(), "--help"]
                there = subprocess.run(words, capture_output=True, text=True, timeout=30).stdout
                for flag in re.findall(r"(--[a-z-]+)", found[2]):
                    self.assertRegex(there, rf"{flag}\b", command)
                    asked += 1
        self.assertGreater(asked, 8)

    def test_values_of_the_chart(self):
        values = debian_yaml.document((ROOT / "contrib/deploy/helm/kproxy/values.yaml").read_text())
        named = re.findall(r"--set ([\w.-]+)=", PAGE)
        self.assertTrue(named)
        for path in named:
            first, second = path.split(".")
            self.assertIn(first, values)
            if first != "nodeSelector":  # anybody's labels
                self.assertIn(second, values[first])

    def test_patches(self):
        for patch in re.findall(r"--patch='(.*?)'", PAGE, re.DOTALL):
            self.assertIn("nodeAffinity", json.dumps(json.loads(patch)))

    def test_files(self):
        for path in re.findall(r"`?((?:contrib|runtime)/[\w./-]+\w)`?", PAGE):
            self.assertTrue((ROOT / path).exists(), path)


if __name__ == "__main__":
    unittest.main()

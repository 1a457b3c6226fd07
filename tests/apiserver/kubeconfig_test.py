#!/usr/bin/env python3
"""contrib/e2e reads kubeconfigs as they are written in the wild."""

import json
import pathlib
import sys
import unittest

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent.parent / "contrib/e2e.d"))

import kubeconfig

WANTED = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "a", "cluster": {"server": "https://10.0.0.1:6443", "insecure-skip-tls-verify": True}}],
    "users": [{"name": "u", "user": {"token": "abc:def"}}, {"name": "v", "user": {"exec": {"args": ["x", "y z"]}}}],
    "contexts": [{"name": "c", "context": {"cluster": "a", "user": "u"}}],
    "current-context": "c",
    "preferences": {},
}
TEXTS = {
    "kubectl's": """\
apiVersion: v1
clusters:
- cluster:
    insecure-skip-tls-verify: true
    server: https://10.0.0.1:6443
  name: a
contexts:
- context:
    cluster: a
    user: u
  name: c
current-context: c
kind: Config
preferences: {}
users:
- name: u
  user:
    token: abc:def
- name: v
  user:
    exec:
      args:
      - x
      - y z
""",
    "indented, quoted, in braces": """\
---
# a comment
apiVersion: "v1"
kind: Config
clusters:
  - name: 'a'
    cluster: {server: "https://10.0.0.1:6443", insecure-skip-tls-verify: true}
users:
  -
    name: u
    user:
      token: "abc:def"
  - name: v
    user:
      exec:
        args:
          - x
          - "y z"
contexts:
  - {name: c, context: {cluster: a, user: u}}
current-context: c
preferences: {}
""",
    "JSON": json.dumps(WANTED),
}


class KubeconfigTest(unittest.TestCase):
    def test_parse(self):
        for what, text in TEXTS.items():
            with self.subTest(what):
                self.assertEqual(kubeconfig.parse(text), WANTED)


if __name__ == "__main__":
    unittest.main()

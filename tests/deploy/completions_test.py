"""bash's completion, as bash would ask it: it offers every flag of --help, and what may follow one."""

import os
import pathlib
import re
import subprocess
import unittest

COMPLETIONS = pathlib.Path(__file__).resolve().parents[2] / "contrib/completions"
PROGRAMS = {"kproxy": "KPROXY", "kpcompile": "KPCOMPILE"}


def offered(*words):
    """For the last of the words, which are split as bash does: at "=", too."""
    program = words[0]
    script = f'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _{program}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-eu", "-c", script, COMPLETIONS / f"{program}.bash", *words], cwd=COMPLETIONS,
                          capture_output=True, text=True, timeout=30)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"{words}: exit status {done.returncode}: {done.stderr}")
    return set(done.stdout.split())


def flags(program, *command):
    """Of --help: the long ones."""
    told = subprocess.run([os.environ[PROGRAMS[program]], *command, "--help"], capture_output=True, text=True, timeout=30).stdout
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.split(r"\n(?:Commands|Examples):", told)[0]))


class Bash(unittest.TestCase):
    def test_flags(self):
        for command in (["kproxy"], ["kproxy", "verify"], ["kpcompile"], ["kpcompile", "diff"], ["kpcompile", "explain"]):
            with self.subTest(" ".join(command)):
                wanted = flags(*command)
                self.assertGreater(len(wanted), 3)
                self.assertEqual(wanted, offered(*command, "--") & wanted)
        self.assertNotIn("--once", offered("kproxy", "verify", "--"))

    def test_what_begins_likewise(self):
        self.assertEqual({"--conntrack-udp-timeout", "--conntrack-udp-timeout-stream"}, offered("kproxy", "--conntrack-udp"))
        self.assertEqual({"--cluster-cidr"}, offered("kpcompile", "--clus"))

    def test_values(self):
        modes = {"ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"}
        for program in PROGRAMS:
            self.assertEqual(modes, offered(program, "--detect-local-mode", ""))
            self.assertEqual(modes, offered(program, "--detect-local-mode", "="))
            self.assertEqual({"NodeCIDR"}, offered(program, "--detect-local-mode", "=", "N"))
        self.assertEqual({"text", "json"}, offered("kproxy", "--logging-format", "=", ""))
        self.assertEqual({"kproxy.bash", "kproxy.fish", "kproxy.zsh"}, offered("kproxy", "--config", "=", "kproxy."))

    def test_commands(self):
        self.assertEqual({"verify"}, offered("kproxy", ""))
        self.assertLessEqual({"diff", "explain"}, offered("kpcompile", ""))


if __name__ == "__main__":
    unittest.main()

"""What kproxy may do once it serves, and what a credential plugin that it starts may do."""

import pathlib

import privileges
from server import PROXY_TOKEN

OOM_SCORE_ADJ = -999  # by default
OPEN_FILES = 1024  # as by default
PLUGIN = """#!/bin/sh
cat /proc/self/status >{folder}/plugin-status
tries=0
until [ $(ulimit -n) = {open_files} ] || [ $((tries = tries + 1)) = 50 ]; do sleep 0.1; done
echo $(ulimit -Sn) $(ulimit -Hn) >{folder}/plugin-limits
echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"{token}"}}}}'
"""


async def serving(stage):
    """First the kernel is told what root alone may say, then all but three capabilities are given up"""
    daemon = await stage.start()
    statuses = privileges.threads(daemon.pid)
    stage.check(len(statuses) >= 2, "one thread serves HTTP", len(statuses))
    problems = [one for status in statuses for one in privileges.excess(status, privileges.SERVING & privileges.available())]
    stage.check(not problems, "three capabilities are left in each thread", problems)
    if privileges.SYS_RESOURCE in privileges.available():
        score = int(pathlib.Path(f"/proc/{daemon.pid}/oom_score_adj").read_text())
        stage.check(score == OOM_SCORE_ADJ, f"oom_score_adj is {OOM_SCORE_ADJ}", score)


async def plugin(stage):
    """A credential plugin gets none of the capabilities that kproxy gave up before it read an answer; and may open no
    more files than programs may that call select()"""
    program = stage.folder / "plugin"
    program.write_text(PLUGIN.format(folder=stage.folder, token=PROXY_TOKEN, open_files=OPEN_FILES))
    program.chmod(0o755)
    text = stage.kubeconfig.read_text().replace(
        f"    token: {PROXY_TOKEN}\n",
        "    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}\n")
    stage.kubeconfig.write_text(text)
    daemon = await stage.launch(through=["prlimit", f"--nofile={OPEN_FILES}:4096"])
    await stage.check_settled("with what it says")
    sets, _ = privileges.capabilities((stage.folder / "plugin-status").read_text())
    starting = privileges.SERVING | {privileges.SETPCAP, privileges.SYS_RESOURCE}
    limits = (stage.folder / "plugin-limits").read_text().split()
    stage.check(limits == [str(OPEN_FILES), "4096"], f"soon it may open {OPEN_FILES} files", limits)
    for name in ("CapPrm", "CapBnd"):
        stage.check(sets[name] <= starting, f"{name} of the plugin is no more than kproxy's", sorted(sets[name]))
    problems = [one for status in privileges.threads(daemon.pid)
                for one in privileges.excess(status, privileges.SERVING & privileges.available(), may_gain=True)]
    stage.check(not problems, "three capabilities are left in each thread", problems)


SCENARIOS = [serving, plugin]

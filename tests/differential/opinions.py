"""What kproxy makes of a cluster's flows, in two ways: as `kpcompile explain` tells it, and as a real
kernel does it. Both are asked for what is not as the reference has it."""

import dataclasses
import json
import os
import pathlib

from case import parse_flow
from wire import Wire


@dataclasses.dataclass(frozen=True)
class Difference:
    flow: object
    expected: str
    actual: str

    def __str__(self):
        return f"{self.flow}\n  expected  {self.expected}\n  actual    {self.actual}"


class Files:
    """What the programs read: a folder as of a golden case, without its ruleset."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.snapshot, self.options = self.folder / "snapshot.json", self.folder / "options.yaml"
        self.flows = self.folder / "flows.txt"

    def write(self, objects, options, expected, indent=None):
        """`expected`: pairs of a flow and its outcome."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.snapshot.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects},
                                            indent=indent) + "\n", encoding="utf-8")
        self.options.write_text("".join(f"{field}: {written(value)}\n"
                                        for field, value in options.items()), encoding="utf-8")
        self.flows.write_text("".join(f"{flow}  {outcome}\n" for flow, outcome in expected),
                              encoding="utf-8")


def written(value):
    """As YAML; plain, where that is a name."""
    return value if isinstance(value, str) and value.replace("-", "a").isalnum() else json.dumps(value)


class Explained:
    """By kpcompile, which compares for itself and fails where a flow is not as expected."""

    def __init__(self, kpcompile, files):
        self.files = files
        self.output = files.folder / "explained.txt"
        self.errors = files.folder / "errors.txt"
        self.arguments = [str(kpcompile), "explain", "--config", str(files.options),
                          str(files.snapshot), "--flows", str(files.flows)]

    def differences(self, objects, options, expected):
        self.files.write(objects, options, expected)
        if self.run() == 0:
            return []
        lines = self.output.read_text(encoding="utf-8").splitlines()
        if len(lines) != len(expected):
            raise RuntimeError(self.errors.read_text(encoding="utf-8").strip())
        told = [" ".join(line.split()[2:]) for line in lines]
        return [Difference(flow, outcome, actual)
                for (flow, outcome), actual in zip(expected, told) if actual != outcome]

    def run(self):
        """Its exit status; leaner than subprocess, as there are thousands of them."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        child = os.posix_spawn(self.arguments[0], self.arguments, os.environ, file_actions=[
            (os.POSIX_SPAWN_OPEN, number, str(path), flags, 0o600)
            for number, path in ((1, self.output), (2, self.errors))])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Sent:
    """By real packets through a namespace, where kproxy loads one cluster over the other."""

    def __init__(self, kproxy, files, topology):
        self.kproxy, self.files, self.topology = str(kproxy), files, topology
        self.packets = Wire(topology)  # one for all, as conntrack knows the ports of earlier ones

    def differences(self, objects, options, expected):
        self.files.write(objects, options, expected)
        self.topology.execute([self.kproxy, "--config", str(self.files.options), "--snapshot",
                               str(self.files.snapshot), "--once"])
        flows = {parse_flow(number, f"{flow} {outcome}"): (flow, outcome)
                 for number, (flow, outcome) in enumerate(expected, 1)}
        return [Difference(*flows[sent], problem)
                for sent, problem in self.packets.check(list(flows))]

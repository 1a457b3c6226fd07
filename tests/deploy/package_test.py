"""The Debian package, made anew: what is in it, and that it works from where it was unpacked."""

import os
import pathlib
import re
import stat
import subprocess
import tempfile
import unittest

import debian_yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = {
    "etc/kproxy/config.yaml",
    "usr/bin/kpcompile", "usr/sbin/kproxy",
    "usr/lib/systemd/system/kproxy.service",
    "usr/share/bash-completion/completions/kpcompile", "usr/share/bash-completion/completions/kproxy",
    "usr/share/fish/vendor_completions.d/kpcompile.fish", "usr/share/fish/vendor_completions.d/kproxy.fish",
    "usr/share/zsh/vendor-completions/_kpcompile", "usr/share/zsh/vendor-completions/_kproxy",
    "usr/share/doc/kproxy/README.md", "usr/share/doc/kproxy/migration.md",
    "usr/share/man/man1/kpcompile.1", "usr/share/man/man8/kproxy.8",
}
# What each library comes in, of those that are linked directly.
LIBRARIES = {"libc6", "libcurl4", "libnftables1", "libnftnl11", "libstdc++6", "libyaml-cpp0.7", "zlib1g"}


def run(*arguments, **more):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        build = pathlib.Path(os.environ["KPROXY_BUILD"])
        folder = tempfile.TemporaryDirectory(prefix="kproxy-package-")
        cls.addClassCleanup(folder.cleanup)
        folder = pathlib.Path(folder.name)
        run("cpack", "-G", "DEB", "-B", folder, "--config", build / "CPackConfig.cmake", cwd=build)
        cls.package, = folder.glob("*.deb")
        cls.root, cls.control = folder / "root", folder / "control"
        run("dpkg-deb", "--extract", cls.package, cls.root)
        run("dpkg-deb", "--control", cls.package, cls.control)
        cls.version = re.search(r"project\(kproxy VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]

    def field(self, name):
        return run("dpkg-deb", "--field", self.package, name).strip()

    def test_is_named_by_its_version(self):
        self.assertEqual("kproxy", self.field("Package"))
        self.assertEqual(f"{self.version}-1", self.field("Version"))
        self.assertEqual(f"kproxy_{self.version}-1_{self.field('Architecture')}.deb", self.package.name)

    def test_depends_on_what_is_linked(self):
        packages = {one.split()[0] for one in self.field("Depends").split(",")}
        self.assertLessEqual(LIBRARIES, packages)
        self.assertEqual(set(), {one for one in packages if one.endswith("-dev")})

    def test_files(self):
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()}
        self.assertEqual(FILES, found)
        for name in FILES:
            self.assertGreater((self.root / name).stat().st_size, 0, name)

    def test_modes(self):
        for line in run("dpkg-deb", "--contents", self.package).splitlines():
            mode, owner = line.split()[:2]
            program = re.search(r"/s?bin/\w", line)
            self.assertEqual("drwxr-xr-x" if line.startswith("d") else "-rwxr-xr-x" if program else "-rw-r--r--", mode, line)
            self.assertEqual("root/root", owner)

    def test_programs_run(self):
        """CFG-60"""
        self.assertRegex(run(self.root / "usr/sbin/kproxy", "--version"), r"^Kubernetes v\d+\.\d+\.\d+$")
        self.assertEqual(f"kpcompile {self.version}\n", run(self.root / "usr/bin/kpcompile", "--version"))

    def test_programs_are_stripped(self):
        for name in ("usr/sbin/kproxy", "usr/bin/kpcompile"):
            self.assertNotIn("not stripped", run("file", self.root / name))

    def test_the_configuration_is_the_administrator_s(self):
        self.assertEqual(["/etc/kproxy/config.yaml"], (self.control / "conffiles").read_text().split())
        with tempfile.NamedTemporaryFile() as file:
            complaints = subprocess.run([self.root / "usr/sbin/kproxy", f"--config={self.root}/etc/kproxy/config.yaml",
                                         f"--write-config-to={file.name}"], capture_output=True, text=True, timeout=30)
            self.assertEqual((0, ""), (complaints.returncode, complaints.stderr))
            effective = debian_yaml.document(pathlib.Path(file.name).read_text())
        self.assertEqual("nftables", effective["mode"])
        self.assertEqual("/etc/kproxy/kubeconfig.yaml", effective["clientConnection"]["kubeconfig"])

    def test_the_unit_starts_what_is_there(self):
        unit = (self.root / "usr/lib/systemd/system/kproxy.service").read_text()
        command, configuration = re.search(r"^ExecStart=(\S+) --config=(\S+)$", unit, re.MULTILINE).groups()
        for path in (command, configuration):
            self.assertIn(path.lstrip("/"), FILES)
        self.assertRegex(unit, r"(?m)^CapabilityBoundingSet=.*\bCAP_NET_ADMIN\b")

    def test_the_unit_makes_sense(self):
        unit = (self.root / "usr/lib/systemd/system/kproxy.service").read_text()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "kproxy.service"
            path.write_text(unit.replace("/usr/sbin/kproxy", str(self.root / "usr/sbin/kproxy")))
            checked = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, timeout=60)
        self.assertEqual((0, ""), (checked.returncode, checked.stdout + checked.stderr))

    def test_maintainer_scripts(self):
        for name, argument in (("postinst", "configure"), ("prerm", "remove"), ("postrm", "purge")):
            script = self.control / name
            self.assertTrue(script.stat().st_mode & stat.S_IXUSR, name)
            run("sh", "-n", script)
            if not pathlib.Path("/run/systemd/system").exists():  # else it would act on this machine
                run(script, argument)

    def test_completions_are_shell(self):
        for name in ("kproxy", "kpcompile"):
            run("bash", "-n", self.root / "usr/share/bash-completion/completions" / name)


if __name__ == "__main__":
    unittest.main()

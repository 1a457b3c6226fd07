"""contrib/Dockerfile, without a container engine: its instructions make sense, what it copies is
there, and what it puts into the image is enough to run kproxy."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "contrib/Dockerfile"


def stages():
    """[(base, name, [(instruction, arguments)])]"""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text())
    found = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        instruction, arguments = line.split(None, 1)
        if instruction == "FROM":
            base, _, name = re.fullmatch(r"(\S+)( AS (\S+))?", arguments).groups()
            found.append((base, name, []))
        else:
            found[-1][2].append((instruction, arguments))
    return found


class Image(unittest.TestCase):
    def setUp(self):
        self.build, self.image = stages()

    def test_instructions(self):
        known = {"SHELL", "WORKDIR", "COPY", "RUN", "LABEL", "ENTRYPOINT"}
        self.assertLessEqual({one for _, _, steps in (self.build, self.image) for one, _ in steps}, known)
        for _, arguments in self.build[2]:
            if arguments.startswith("cmake "):
                self.assertIn("cmake --build /build --target kproxy", arguments)

    def test_the_image_needs_no_shell(self):
        base, _, steps = self.image
        self.assertEqual("scratch", base)
        self.assertEqual(["COPY", "ENTRYPOINT"], [one for one, _ in steps if one != "LABEL"])
        self.assertEqual('["/usr/sbin/kproxy"]', dict(steps)["ENTRYPOINT"])
        self.assertEqual(f"--from={self.build[1]} /image /", dict(steps)["COPY"])

    def test_what_is_copied_is_there(self):
        ignored = (ROOT / "contrib/Dockerfile.dockerignore").read_text().split()
        self.assertEqual("*", ignored[0])
        for instruction, arguments in self.build[2]:
            if instruction == "COPY":
                source, target = arguments.split()
                self.assertEqual(source, target)
                self.assertTrue((ROOT / source).exists(), source)
                self.assertIn("!" + source.split("/")[0], ignored)

    def test_all_that_is_built_from_is_copied(self):
        copied = {arguments.split()[0] for instruction, arguments in self.build[2] if instruction == "COPY"}
        cmake = (ROOT / "CMakeLists.txt").read_text()
        needed = set(re.findall(r"(?m)^add_subdirectory\((\w+)\)", cmake)) | set(re.findall(r"(?m)^include\((\w+)/", cmake))
        self.assertTrue(needed)
        self.assertLessEqual(needed, copied)

    def test_is_of_this_version(self):
        version = re.search(r"project\(kproxy VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
        self.assertIn(f'version="{version}"', dict(self.image[2])["LABEL"])

    def test_debian_is_the_release_that_is_built_on(self):
        self.assertEqual("debian:12", self.build[0])

    def test_kproxy_runs_from_what_is_in_it(self):
        """The step that fills the image, run as it stands but for its folders."""
        fill, = (arguments for instruction, arguments in self.build[2] if instruction == "RUN" and "/image" in arguments)
        shell, = (arguments for instruction, arguments in self.build[2] if instruction == "SHELL")
        with tempfile.TemporaryDirectory(prefix="kproxy-image-") as image:
            fill = fill.replace("/build/runtime/kproxy", os.environ["KPROXY"]).replace("/image", image)
            subprocess.run([*re.findall(r'"([^"]*)"', shell), fill], check=True, timeout=120)
            (run,) = re.findall(r'"([^"]*)"', dict(self.image[2])["ENTRYPOINT"])
            done = subprocess.run([run, "--version"], preexec_fn=lambda: os.chroot(image), cwd="/", env={},
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertRegex(done.stdout, r"^Kubernetes v\d")
            names = {path.name for path in pathlib.Path(image).rglob("*")}
            self.assertEqual(set(), names & {"sh", "bash", "dash", "busybox"})


if __name__ == "__main__":
    unittest.main()

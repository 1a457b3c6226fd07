"""Programs of a newer Debian, unpacked beside the system into a folder of our own; nothing is installed.

apt gets its own sources, lists and status file, so that neither the system's package lists nor its
packages change. The mirror is the system's own.
"""

import os
import pathlib
import subprocess
import tempfile

SUITES = ["trixie", "sid"]
SECONDS = 120  # for each of apt's steps
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
USUAL_MIRROR = "http://deb.debian.org/debian"


class Unreachable(Exception):
    """There is no such package to be had from here."""


class Broken(Exception):
    """There is a package, but it cannot be used."""


def run(*command, environment=None):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    except FileNotFoundError:
        return 127, f"there is no program {command[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} was not done after {SECONDS} s"
    return done.returncode, done.stdout.strip()


def mirror():
    """Where the system has Debian's main archive from."""
    status, output = run("apt-get", "indextargets", "--format", "$(SITE) $(LABEL)", "Created-By: Packages", "Origin: Debian")
    sites = [line.split()[0] for line in output.splitlines() if line.endswith(" Debian")] if status == 0 else []
    return sites[0] if sites else USUAL_MIRROR


class Suite:
    """A suite of Debian in a folder."""

    def __init__(self, name, folder):
        self.name, self.folder = name, pathlib.Path(folder)
        for part in ("state/lists/partial", "cache/archives/partial", "root"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "state/status").touch()
        (self.folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {name} main\n")
        (self.folder / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{self.folder}/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            'Dir::Etc::preferencesparts "/dev/null";\n'
            f'Dir::State "{self.folder}/state";\n'
            f'Dir::State::status "{self.folder}/state/status";\n'
            f'Dir::Cache "{self.folder}/cache";\n'
            'Acquire::Languages "none";\n'
            'Acquire::Retries "2";\n'
            'APT::Sandbox::User "root";\n'
            '#clear APT::Update::Post-Invoke;\n'
            '#clear APT::Update::Post-Invoke-Success;\n'
            '#clear DPkg::Post-Invoke;\n')

    def apt(self, *words):
        return run(*words, environment={"APT_CONFIG": str(self.folder / "apt.conf")})

    def unpack(self, package):
        """The package and all it depends on, in root/."""
        status, output = self.apt("apt-get", "update", "-q", "--error-on=any")
        if status != 0:
            raise Unreachable(f"apt-get update for {self.name}: {last_lines(output)}")
        status, output = self.apt("apt-cache", "show", package)
        if status != 0:
            raise Unreachable(f"{self.name} has no {package}: {last_lines(output)}")
        status, output = self.apt("apt-get", "install", "-q", "-y", "--download-only", "--no-install-recommends", package)
        archives = sorted((self.folder / "cache/archives").glob("*.deb"))
        if status != 0 or not archives:
            raise Unreachable(f"apt-get does not bring {package} of {self.name}: {last_lines(output)}")
        for archive in archives:
            status, output = run("dpkg-deb", "--extract", archive, self.folder / "root")
            if status != 0:
                raise Broken(f"dpkg-deb of {archive.name}: {last_lines(output)}")

    def command(self, name):
        """What runs that program with its own libraries."""
        root = self.folder / "root"
        program = [path for path in (root / "usr/sbin" / name, root / "usr/bin" / name) if path.exists()]
        loader = sorted(root.glob("usr/lib*/ld-linux*.so.*")) + sorted(root.glob("usr/lib/*/ld-linux*.so.*"))
        libraries = sorted({str(path.parent) for path in root.glob("usr/lib/*/libc.so.6")}
                           | {str(path.parent) for path in root.glob("lib/*/lib*.so.*")})
        if not program or not loader or not libraries:
            raise Broken(f"{name} of {self.name} is not where it was looked for")
        return [str(loader[0]), "--library-path", ":".join(libraries), str(program[0])]


def last_lines(output):
    return " | ".join(output.splitlines()[-3:])


class Newer:
    """A program of the first newer suite that has it."""

    def __init__(self, package, name):
        self.temporary = tempfile.TemporaryDirectory(prefix="kproxy-newer-")  # removed with this object
        reasons = []
        for suite in SUITES:
            try:
                one = Suite(suite, pathlib.Path(self.temporary.name) / suite)
                one.unpack(package)
                self.command = one.command(name)
                status, self.version = run(*self.command, "--version")
                if status != 0:
                    raise Broken(f"{name} of {suite} does not run: {last_lines(self.version)}")
                return
            except Unreachable as unreachable:
                reasons.append(str(unreachable))
        raise Unreachable("; ".join(reasons))

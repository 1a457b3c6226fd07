"""Network namespaces that a test makes, and their settings. Names start with PREFIX and the process
id, so that what a killed run has left can be told and removed."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess

PREFIX = "kpp-"
CLONE_NEWNET = 0x40000000
HOME = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)  # where this process came from
libc = ctypes.CDLL(None, use_errno=True)

# No waiting for duplicate address detection, no limit on ICMP errors, no short cuts.
QUIET = {
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/accept_redirects": "0",
    "net/ipv6/conf/all/accept_redirects": "0",
    "net/ipv4/conf/all/accept_redirects": "0",
    "net/ipv4/conf/default/accept_redirects": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_msgs_per_sec": "100000",
    "net/ipv4/icmp_msgs_burst": "100000",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv6/ip_nonlocal_bind": "1",
    "net/ipv4/neigh/default/gc_thresh3": "8192",
}
ROUTER = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
}


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def run(command, text=None):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


class Namespace:
    """A network namespace: sockets made in it stay in it, whoever uses them."""

    def __init__(self, name):
        self.name = name
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def entered(self):
        setns(self.fd)
        try:
            yield
        finally:
            setns(HOME)

    def socket(self, family, kind, protocol=0):
        with self.entered():
            made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        return made

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *words]

    def configure(self, lines, *flags):
        run(["ip", "-n", self.name, *flags, "-batch", "-"], "\n".join(lines) + "\n")

    def sysctl(self, values):
        with self.entered():
            for name, value in values.items():
                path = "/proc/sys/" + name
                if os.path.exists(path):  # some are not there in every namespace or kernel
                    with open(path, "w") as file:
                        file.write(value + "\n")  # also if it is empty: nothing would be no system call

    def close(self):
        os.close(self.fd)


class Namespaces:
    """Those of one test, by host. Use as a context: what was made is removed at its end, whatever
    happened. Who derives from this connects them in build()."""

    count = 0

    def __init__(self, *hosts):
        Namespaces.count += 1
        self.prefix = f"{PREFIX}{os.getpid()}-{Namespaces.count}-"
        self.hosts, self.namespaces = hosts, {}

    def __getitem__(self, host):
        return self.namespaces[host]

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for namespace in self.namespaces.values():
            namespace.close()
        for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
            if name.startswith(self.prefix):
                subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)

    def build(self):
        run(["ip", "-batch", "-"], "".join(f"netns add {self.prefix}{host}\n" for host in self.hosts))
        for host in self.hosts:
            self.namespaces[host] = Namespace(self.prefix + host)
            self[host].sysctl(QUIET)


def remove_leftovers():
    """Removes namespaces of runs whose process is gone, and ends what still runs in them. Others who
    begin may do the same meanwhile: one that is not there any more is fine, too."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        match = re.match(PREFIX + r"(\d+)-", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            left = subprocess.run(["ip", "netns", "pids", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            for process in left.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)

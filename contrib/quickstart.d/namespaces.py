"""Network namespaces as `ip netns` names them."""

import ctypes
import json
import os
import subprocess

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def enter(name):
    """Sockets made from now on belong to the namespace, and stay in it."""
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")
    finally:
        os.close(descriptor)


def addresses(prefix):
    """Whose IPv4 address is whose: {address: name}, of all namespaces that begin with the prefix."""
    owners = {}
    for namespace in os.listdir("/run/netns"):
        if not namespace.startswith(prefix):
            continue
        links = subprocess.run(["ip", "-n", namespace, "-4", "-json", "address"], check=True, stdout=subprocess.PIPE)
        for link in json.loads(links.stdout):
            for address in link.get("addr_info", []):
                owners[address["local"]] = namespace.removeprefix(prefix)
    return owners

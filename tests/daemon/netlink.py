"""What the kernel itself says about nf_tables transactions, and a way to make many: raw netlink, so
that no program need be started to look, and no daemon be believed."""

import asyncio
import contextlib
import dataclasses
import os
import socket
import struct
import time

NETLINK_NETFILTER = 12
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
SO_RCVBUFFORCE = 33
NFNLGRP_NFTABLES = 7
NFPROTO = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
NFPROTO_INET = 1
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 1, 4, 0x400
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF
BATCH_BEGIN, BATCH_END = 0x10, 0x11
SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
NLMSG_ERROR = 2
NEWTABLE, GETTABLE, DELTABLE, GETCHAIN, NEWSETELEM, DELSETELEM, NEWGEN, GETGEN = 0, 1, 2, 4, 12, 14, 15, 16
# What a notification is about, and the attribute that names it within its table.
NOTICES = {
    0: ("new table", None), 2: ("delete table", None),
    3: ("new chain", 3), 5: ("delete chain", 3),
    6: ("new rule", 2), 8: ("delete rule", 2),
    9: ("new set", 2), 11: ("delete set", 2),
    12: ("new element", 2), 14: ("delete element", 2),
}


def attributes(data):
    """Type -> content, of one level."""
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found[kind & NLA_TYPE_MASK] = data[at + 4:at + length]
        at += length + 3 & ~3
    return found


def attribute(kind, content):
    length = 4 + len(content)
    return struct.pack("=HH", length, kind) + content + b"\0" * (-length % 4)


def nested(kind, *parts):
    return attribute(kind | NLA_F_NESTED, b"".join(parts))


def text(content):
    return content.rstrip(b"\0").decode()


def message(kind, flags, sequence, body=b"", family=NFPROTO_INET, resource=0):
    return struct.pack("=IHHIIBBH", 20 + len(body), kind, flags | NLM_F_REQUEST, sequence, 0, family, 0,
                       socket.htons(resource)) + body


def messages(data):
    """(type, body behind the netfilter header, family) of each."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 16:
            return
        yield kind, data[at + 20:at + length], data[at + 16] if length > 16 else 0
        at += length + 3 & ~3


def has(namespace, what, content):
    """Whether the kernel answers a question (GETTABLE, GETCHAIN) with anything but that there is none."""
    with netlink_socket(namespace) as sock:
        sock.setblocking(True)
        sock.send(message(SUBSYSTEM | what, 0, 1, content))
        return all(kind != NLMSG_ERROR for kind, _, _ in messages(sock.recv(65536)))


def has_table(namespace, table):
    return has(namespace, GETTABLE, attribute(1, table.encode() + b"\0"))


def has_chain(namespace, table, name):
    return has(namespace, GETCHAIN, attribute(1, table.encode() + b"\0") + attribute(3, name.encode() + b"\0"))


def netlink_socket(namespace):
    return namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)


def generation(namespace):
    """The number of the ruleset: each transaction has the next."""
    with netlink_socket(namespace) as sock:
        sock.setblocking(True)
        sock.send(message(SUBSYSTEM | GETGEN, 0, 1, family=0))
        for kind, body, _ in messages(sock.recv(65536)):
            if kind == SUBSYSTEM | NEWGEN:
                return struct.unpack("!I", attributes(body)[1])[0]
    raise OSError("the kernel does not tell the generation")


def commit(sock, sequence, kind, flags=0, body=b"", family=NFPROTO_INET, before=b""):
    """A transaction of one message, and those that are to come before it."""
    sock.send(message(BATCH_BEGIN, 0, sequence, family=0, resource=10) + before
              + message(SUBSYSTEM | kind, flags | NLM_F_ACK, sequence + 1, body, family)
              + message(BATCH_END, 0, sequence + 2, family=0, resource=10))
    reply = sock.recv(65536)
    error = struct.unpack_from("=i", reply, 16)[0]
    if error:
        raise OSError(-error, os.strerror(-error))


def flush(namespace):
    """Removes all tables, whatever is in them."""
    with netlink_socket(namespace) as sock:
        sock.setblocking(True)
        commit(sock, 1, DELTABLE, family=0)


@contextlib.contextmanager
def owned_table(namespace, table):
    """In the place of an `inet TABLE` that is there, one which the kernel lets nobody else change, and which goes
    at the end."""
    with netlink_socket(namespace) as sock:
        sock.setblocking(True)
        name, owner = attribute(1, table.encode() + b"\0"), struct.pack("!I", 2)  # NFT_TABLE_F_OWNER
        commit(sock, 1, NEWTABLE, NLM_F_CREATE, name + attribute(2, owner),
               before=message(SUBSYSTEM | DELTABLE, 0, 1, name))
        yield


@dataclasses.dataclass
class Transaction:
    generation: int
    process: int
    program: str
    time: float  # time.monotonic() when it was heard of
    changes: list  # (what, "family table", name)

    def has(self, what, table, name=None):
        return any(change[:2] == (what, table) and name in (None, change[2]) for change in self.changes)


class Transactions:
    """All transactions of a namespace from now on, in their order. Use as a context."""

    def __init__(self, namespace):
        self.list, self.pending = [], []
        self.lost = False  # there were more than could be listened to
        self.loop = asyncio.get_running_loop()
        self.sock = netlink_socket(namespace)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.sock.bind((0, 0))  # before it joins the group, which binding would undo
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def __enter__(self):
        self.loop.add_reader(self.sock, self.take)
        return self

    def __exit__(self, *_):
        self.loop.remove_reader(self.sock)
        self.sock.close()

    def take(self):
        while True:
            try:
                data = self.sock.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS
                self.lost = True
                continue
            for kind, body, family in messages(data):
                self.notice(kind & 0xFF, attributes(body), family)

    def notice(self, kind, found, family):
        if kind == NEWGEN:
            process = struct.unpack("!I", found[2])[0] if 2 in found else 0
            self.list.append(Transaction(struct.unpack("!I", found[1])[0], process, text(found.get(3, b"")),
                                         time.monotonic(), self.pending))
            self.pending = []
        elif kind in NOTICES and 1 in found:
            what, name = NOTICES[kind]
            self.pending.append((what, f"{NFPROTO.get(family, family)} {text(found[1])}", text(found.get(name, b""))))

    def of(self, process):
        self.take()
        return [one for one in self.list if one.process == process]

    def not_of(self, process):
        self.take()
        return [one for one in self.list if one.process != process]


class Committer:
    """Adds and deletes an element of a set of `inet TABLE` in turn. Use as a context."""

    def __init__(self, namespace, table, name, key):
        self.sock = netlink_socket(namespace)
        self.sock.setblocking(True)
        self.count = 0
        # NFTA_SET_ELEM_LIST_TABLE, _SET, _ELEMENTS > NFTA_LIST_ELEM > NFTA_SET_ELEM_KEY > NFTA_DATA_VALUE
        self.body = (attribute(1, table.encode() + b"\0") + attribute(2, name.encode() + b"\0")
                     + nested(3, nested(1, nested(1, attribute(1, key)))))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def commit(self):
        if self.count % 2 == 0:
            commit(self.sock, 3 * self.count + 1, NEWSETELEM, NLM_F_CREATE, self.body)
        else:
            commit(self.sock, 3 * self.count + 1, DELSETELEM, 0, self.body)
        self.count += 1

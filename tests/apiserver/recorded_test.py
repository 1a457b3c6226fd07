#!/usr/bin/env python3
"""The API server double against what a real one has answered (recorded/).

Each recording is played again: the objects that are in the answer are loaded at their versions, the
same request is made, and status line, headers and body must be the same but for what is new each time.
"""

import concurrent.futures
import json
import pathlib
import re
import tempfile
import unittest

from https_client import Client
from server import ApiServer

RECORDED = pathlib.Path(__file__).resolve().parent / "recorded"
NEW_EACH_TIME = {"Audit-Id", "Date"}


class Recording:
    def __init__(self, path):
        self.name = path.name
        self.headers, self.sent, self.body = {"Accept": ""}, b"", b""
        head, _, answer = path.read_bytes().decode().partition("\nHTTP/1.1 ")
        in_body = False
        for text in head.split("\n"):
            key, _, value = text.removeprefix("# ").partition(": ")
            if key == "request":
                self.method, self.target = value.split(" ", 1)
            elif key == "header":
                name, _, content = value.partition(": ")
                self.headers[name] = content
            in_body = text == "# body sent:" or in_body and text.startswith("#   ")
            if in_body and text.startswith("#   "):
                self.sent += text[4:].encode()
        self.raw = "\n# body below: raw" in head
        head, _, body = answer.partition("\r\n\r\n")
        line, *fields = head.split("\r\n")
        self.line = "HTTP/1.1 " + line
        self.fields = [tuple((field + " ").split(": ", 1)) for field in fields]
        self.fields = [(name, value.strip()) for name, value in self.fields]
        self.body = body.encode()
        if self.raw:
            self.chunks, rest = [], self.body
            while rest:
                size, _, rest = rest.partition(b"\r\n")
                length = int(size, 16)
                self.chunks.append(rest[:length])
                rest = rest[length + 2:]
            self.body = b"".join(self.chunks)

        # What is said in one bookmark may be said again later.
        first = self.body.find(b'{"type":"BOOKMARK"')
        if first >= 0:
            self.body = self.body[:self.body.index(b"\n", first) + 1]

    def objects(self):
        """(objects of the answer, the version that it states)"""
        found, version = [], 0
        for line in self.body.split(b"\n"):
            try:
                one = json.loads(line)
            except ValueError:
                continue
            if one.get("type") == "ADDED":
                found.append(one["object"])
            elif one.get("type") == "BOOKMARK":
                version = int(one["object"]["metadata"]["resourceVersion"])
            elif one.get("kind", "").endswith("List"):
                version = int(one["metadata"]["resourceVersion"])
                kind = {"kind": one["kind"].removesuffix("List"), "apiVersion": one["apiVersion"]}
                found += [{**kind, **item} for item in one["items"]]
        return found, version


def own_objects(server, recording):
    objects, version = recording.objects()
    server.store.load(objects, version)
    # And some that the selectors of a proxy must hide.
    server.store.load([
        {"kind": "Service", "metadata": {"name": "headless", "namespace": "a"}, "spec": {"clusterIP": "None"}},
        {"kind": "Service", "metadata": {"name": "other", "namespace": "a", "labels": {
            "service.kubernetes.io/service-proxy-name": "other"}}, "spec": {"clusterIP": "10.96.0.9"}},
        {"kind": "EndpointSlice", "metadata": {"name": "headless", "namespace": "a", "labels": {
            "service.kubernetes.io/headless": ""}}},
        {"kind": "Node", "metadata": {"name": "another"}},
    ] if "elector" in recording.target else [])
    server.store.version = version or server.store.version
    server.store.forget()


def objects_of(name):
    def prepare(server, recording):
        objects, _ = Recording(next(RECORDED.glob(name))).objects()
        server.store.load(objects, recording.objects()[1])
    return prepare


def at_version(version, oldest=0):
    def prepare(server, _):
        server.store.version = version
        for collection in server.store.collections.values():
            collection.oldest = oldest
    return prepare


def with_fault(**fault):
    def prepare(server, recording):
        own_objects(server, recording)
        server.faults.add(**fault)
    return prepare


def setting(**values):
    def prepare(server, recording):
        own_objects(server, recording)
        for name, value in values.items():
            setattr(server, name, value)
    return prepare


def event_again(server, recording):
    server.store.put(json.loads(recording.sent))


PREPARE = {  # by the number of the recording; others with own_objects
    "10": at_version(278), "14": objects_of("02-*"), "15": objects_of("03-*"), "35": at_version(572),
    "37": at_version(575), "55": event_again, "66": at_version(1143, 677), "67": at_version(1143, 677),
    "75": at_version(2000, 1500), "48": setting(missing={"servicecidrs"}), "49": setting(missing={"servicecidrs"}),
    "60": with_fault(status=429), "61": with_fault(status=429), "76": setting(starting=True),
    "84": setting(priority_and_fairness=False),
}
FLOW_OF_ANOTHER_LEVEL = {"60", "61"}
NOT_THE_SAME_BODY = {"54"}  # uid, times, managedFields
NOT_PLAYED = {"22"}  # see server_test.py


def play(path):
    """What is different."""
    recording, number = Recording(path), path.name[:2]
    if number in NOT_PLAYED:
        return []
    problems = []
    with tempfile.TemporaryDirectory() as folder, ApiServer(folder) as server:
        server.too_large_seconds = 0.1
        PREPARE.get(number, own_objects)(server, recording)
        target = re.sub(r"timeoutSeconds=\d+", "timeoutSeconds=1", recording.target)
        if "watch=true" in target and "timeoutSeconds" not in target:
            target += "&timeoutSeconds=1"
        with Client(server, token=None) as client:
            client.send(recording.method, target, recording.headers, recording.sent)
            _, line, fields = client.head()
            body = client.body(fields)

    def same(what, played, recorded):
        if played != recorded:
            problems.append(f"{path.name}: {what}: {played!r:.1000}, recorded: {recorded!r:.1000}")
    same("status line", line, recording.line)
    if number in NOT_THE_SAME_BODY:
        fields = [(name, value) for name, value in fields if name != "Content-Length"]
        recording.fields = [(name, value) for name, value in recording.fields if name != "Content-Length"]
        body, recording.body = set(json.loads(body)), set(json.loads(recording.body))
    same("header names", [name for name, _ in fields], [name for name, _ in recording.fields])
    other = NEW_EACH_TIME | {name for name, _ in fields if "-Pf-" in name and number in FLOW_OF_ANOTHER_LEVEL}
    same("headers", [field for field in fields if field[0] not in other],
         [field for field in recording.fields if field[0] not in other])
    same("body", body, recording.body)
    return problems


class RecordedTest(unittest.TestCase):
    def test_answers_are_those_of_a_real_server(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            problems = sum(pool.map(play, sorted(RECORDED.glob("*.txt"))), [])
        self.assertEqual(problems, [], "\n".join(problems))

    def test_chunks_have_the_borders_of_a_real_server(self):
        recording = Recording(next(RECORDED.glob("28-*")))
        with tempfile.TemporaryDirectory() as folder, ApiServer(folder) as server, Client(server) as client:
            own_objects(server, recording)
            client.watch(recording.target.replace("timeoutSeconds=4", "timeoutSeconds=1"))
            played = [*iter(client.chunk, b""), b""]
        self.assertEqual(played, recording.chunks)


if __name__ == "__main__":
    unittest.main()

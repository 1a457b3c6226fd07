#!/usr/bin/env python3
"""The API server double: what it serves, what it does wrong on demand, what it says of its clients."""

import contextlib
import json
import socket
import ssl
import tempfile
import time
import unittest
import zlib

import certificates
import server as double
from https_client import PATIENCE_SECONDS, Client

SERVICES = ("/api/v1/services?labelSelector=%21service.kubernetes.io%2Fservice-proxy-name"
            "&fieldSelector=spec.clusterIP%21%3DNone")
SLICES = "/apis/discovery.k8s.io/v1/endpointslices?labelSelector=%21service.kubernetes.io%2Fheadless"
WATCH = "&watch=true&allowWatchBookmarks=true&timeoutSeconds={}"
STREAMING_LIST = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


def service(name, port=80, labels=None, **spec):
    return {"kind": "Service", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", **({"labels": labels} if labels else {})},
            "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": port}], **spec}}


def endpoint_slice(name, endpoints, labels=None):
    return {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "", "port": 80}]}


def versions(events):
    return [(one["type"], one["object"]["metadata"].get("name"), int(one["object"]["metadata"]["resourceVersion"]))
            for one in events]


class ServerTest(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.server = self.stack.enter_context(double.ApiServer(folder))

    def client(self, **more):
        return self.stack.enter_context(Client(self.server, **more))

    def stream(self, target):
        """An iterator over the events of a watch."""
        client = self.client()
        client.watch(target)
        return client.events()

    def names(self, body):
        return [item["metadata"]["name"] for item in json.loads(body)["items"]]

    # --- what it serves

    def test_selectors(self):
        """An object leaves the selector as DELETED in its old state, and enters it as ADDED."""
        self.server.put(service("web"))
        version = self.server.store.version
        events = self.stream(SERVICES + WATCH.format(1) + f"&resourceVersion={version}")
        self.server.put(service("web", labels={"service.kubernetes.io/service-proxy-name": "other"}))
        self.server.put(service("web", port=81, labels={"service.kubernetes.io/service-proxy-name": "other"}))
        self.server.put(service("web", port=81))
        self.server.put(service("web", port=81, type="ExternalName", clusterIP=""))
        self.server.put(service("web", port=81, clusterIP="None"))
        self.server.put(service("web", port=81, clusterIP="None"))  # changes nothing
        self.server.put(service("web", port=81))
        self.server.delete(service("web"))
        seen = list(events)
        self.assertEqual(versions(seen), [("DELETED", "web", version + 1), ("ADDED", "web", version + 3),
                                          ("MODIFIED", "web", version + 4), ("DELETED", "web", version + 5),
                                          ("ADDED", "web", version + 6), ("DELETED", "web", version + 7)])
        self.assertNotIn("labels", seen[0]["object"]["metadata"])
        self.assertEqual(seen[3]["object"]["spec"]["type"], "ExternalName")

    def test_pages(self):
        """A list in pages is of one version, whatever changes meanwhile; once that is forgotten, 410."""
        self.server.put(*(service(f"web-{n}") for n in range(5)))
        client, target = self.client(), SERVICES + "&limit=2"
        _, _, body = client.ask("GET", target)
        first = json.loads(body)["metadata"]
        self.server.delete(service("web-3"))
        self.server.put(service("web-9"))
        _, _, second = client.ask("GET", f"{target}&continue={first['continue']}")
        metadata = json.loads(second)["metadata"]
        self.assertEqual(metadata["resourceVersion"], first["resourceVersion"])
        _, _, last = client.ask("GET", f"{target}&continue={metadata['continue']}")
        self.assertEqual(self.names(body) + self.names(second) + self.names(last), [f"web-{n}" for n in range(5)])
        self.assertNotIn("continue", json.loads(last)["metadata"])
        self.server.store.forget()
        status, _, body = client.ask("GET", f"{target}&continue={metadata['continue']}")
        self.assertEqual((status, json.loads(body)["reason"]), (410, "Expired"))

    def test_replay(self):
        """A watch from an older version begins with what has happened since."""
        self.server.put(endpoint_slice("a", []))
        version = self.server.store.version
        self.server.put(endpoint_slice("b", [{"addresses": ["10.0.0.1"]}]), endpoint_slice("a", None, {"x": "y"}))
        self.server.delete(endpoint_slice("b", []))
        seen = list(self.stream(SLICES + WATCH.format(1) + f"&resourceVersion={version}"))
        self.assertEqual(versions(seen), [("ADDED", "b", version + 1), ("MODIFIED", "a", version + 2),
                                          ("DELETED", "b", version + 3)])
        self.assertIsNone(seen[1]["object"]["endpoints"])

    def test_bookmarks(self):
        """Before the end, if there is something newer; and on demand."""
        self.server.put(service("web"))
        version = self.server.store.version
        target = SERVICES + WATCH.format(2) + f"&resourceVersion={version}"
        self.assertEqual(list(self.stream(target)), [])
        self.server.store.pass_time(7)
        self.assertEqual(versions(self.stream(target)), [("BOOKMARK", None, version + 7)])

    def test_history_is_lost_by_a_restart(self):
        """A watch from before it gets an ERROR event; a streaming list from there is fine."""
        self.server.put(service("web"))
        target = SERVICES + WATCH.format(1) + f"&resourceVersion={self.server.store.version}"
        self.server.put(service("web-2"))
        self.server.restart()
        (error,) = self.stream(target)
        self.assertEqual((error["type"], error["object"]["code"]), ("ERROR", 410))
        seen = list(self.stream(target + STREAMING_LIST))
        self.assertEqual([one["type"] for one in seen], ["ADDED", "ADDED", "BOOKMARK"])

    def test_gzip(self):
        """A large list is compressed for who wants it."""
        self.server.put(*(service(f"web-{n}", annotation="x" * 1000) for n in range(200)))
        client = self.client()
        _, headers, plain = client.ask("GET", SERVICES)
        self.assertNotIn("Content-Encoding", headers)
        _, headers, packed = client.ask("GET", SERVICES, headers={"Accept-Encoding": "gzip"})
        self.assertEqual((headers["Content-Encoding"], headers["Vary"]), ("gzip", "Accept-Encoding"))
        self.assertEqual(zlib.decompress(packed, 31), plain)

    def test_client_certificate(self):
        certificate = self.server.authority.client(double.PROXY)
        with Client(self.server, token=None, certificate=certificate) as client:
            self.assertEqual(client.ask("GET", SERVICES)[0], 200)

    def test_plain_http(self):
        with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_SECONDS) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent"))

    def test_administrator(self):
        """Creates, changes and deletes; a namespace goes with all that is in it."""
        client = self.client(token=double.ADMIN_TOKEN)

        def ask(method, target, one=None):
            return client.ask(method, target, body=json.dumps(one).encode() if one else b"")[::2]
        one = service("web")
        one["metadata"]["namespace"] = "test"
        del one["spec"]["clusterIP"]
        self.assertEqual(ask("POST", "/api/v1/namespaces/test/services", one)[0], 404)
        namespace = {"kind": "Namespace", "metadata": {"name": "test"}}
        self.assertEqual(ask("POST", "/api/v1/namespaces", namespace)[0], 201)
        status, body = ask("POST", "/api/v1/namespaces/test/services", one)
        self.assertEqual(status, 201)
        made = json.loads(body)
        self.assertRegex(made["spec"]["clusterIP"], r"^10\.96\.")
        made["spec"]["ports"] = []
        self.assertEqual(ask("PUT", "/api/v1/namespaces/test/services/web", made)[0], 200)
        self.assertEqual(ask("DELETE", "/api/v1/namespaces/test")[0], 200)
        self.assertEqual(ask("GET", "/api/v1/namespaces/test/services/web")[0], 404)
        self.assertEqual(ask("POST", "/readyz", {"a": 1})[0], 200)

    def test_events(self):
        """Are judged as a real server judges them."""
        event = {"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "node-a.18b9"},
                 "eventTime": "2026-11-21T00:48:19.049939Z", "reportingController": "kube-proxy", "type": "Normal",
                 "reportingInstance": "kube-proxy-node-a", "action": "StartKubeProxy", "reason": "Starting"}
        client = self.client()
        for change, status in (({}, 201), ({}, 409), ({"eventTime": None}, 422), ({"action": ""}, 422),
                               ({"eventTime": "2026-11-21T00:48:19Z"}, 400), ({"type": "Strange"}, 422),
                               ({"note": "x" * 1025}, 422), ({"metadata": {"name": "Node_A.1"}}, 422)):
            body = json.dumps({**event, **change}).encode()
            answer = client.ask("POST", "/apis/events.k8s.io/v1/namespaces/x/events", body=body)
            self.assertEqual(answer[0], status, change)

    # --- what it does wrong

    def test_cut_at_any_byte(self):
        self.server.put(service("web"))
        for at in (0, 1, 100, 400, 700):
            self.server.faults.add(verb="watch", cut_after=at)
            with Client(self.server) as client:
                client.send("GET", SERVICES + WATCH.format(5))
                self.assertEqual(len(client.file.read()), at)

    def test_cut_of_a_stream_under_way(self):
        client = self.client()
        client.watch(SERVICES + WATCH.format(5) + "&resourceVersion=1")
        self.server.record.wait(self.server.streams, PATIENCE_SECONDS)
        self.server.streams("services")[0].cut(50)
        self.server.put(service("web"))
        self.assertEqual(len(client.file.read()), 50)

    def test_short_watch(self):
        """Says what there is to say, and ends."""
        self.server.put(service("web"))
        self.server.faults.add(verb="watch", end=True)
        seen = list(self.stream(SERVICES + WATCH.format(60) + STREAMING_LIST))
        self.assertEqual([one["type"] for one in seen], ["ADDED", "BOOKMARK"])

    def test_expired_stream(self):
        events = self.stream(SERVICES + WATCH.format(5) + "&resourceVersion=1")
        self.server.record.wait(self.server.streams, PATIENCE_SECONDS)
        self.server.streams()[0].expire()
        self.assertEqual([one["object"]["code"] for one in events], [410])

    def test_freeze_and_hang(self):
        """Nothing comes any more, and nothing is closed."""
        for fault, expected in (({"freeze_after": 30}, 30), ({"hang": True}, 0)):
            self.server.faults.add(**fault)
            with Client(self.server) as client:
                client.sock.settimeout(0.3)
                client.send("GET", SERVICES)
                received = b""
                with self.assertRaises(TimeoutError):
                    while data := client.sock.recv(1000):
                        received += data
                self.assertEqual(len(received), expected)

    def test_trickle(self):
        self.server.faults.add(trickle=0.001)
        began = time.monotonic()
        status, _, body = self.client().ask("GET", SERVICES)
        self.assertEqual((status, self.names(body)), (200, []))
        self.assertGreater(time.monotonic() - began, 0.3)

    def test_refusals(self):
        client = self.client()
        for fault, status, retry_after in (
                ({"status": 503, "retry_after": 3}, 503, "3"), ({"status": 500}, 500, None),
                ({"status": 401}, 401, None), ({"expired": True}, 410, None),
                ({"verb": "watch", "status": 500}, 200, None)):
            self.server.faults.clear()
            self.server.faults.add(**fault)
            answer = client.ask("GET", SERVICES)
            self.assertEqual((answer[0], answer[1].get("Retry-After")), (status, retry_after))

    def test_token_is_rotated(self):
        client = self.client()
        self.assertEqual(client.ask("GET", SERVICES)[0], 200)
        self.server.tokens = {"fake-next-token": double.PROXY}
        self.assertEqual(client.ask("GET", SERVICES)[0], 401)
        self.assertEqual(self.client(token="fake-next-token").ask("GET", SERVICES)[0], 200)

    def test_older_server(self):
        self.server.streaming_lists = False
        status, _, body = self.client().ask("GET", SERVICES + WATCH.format(5) + STREAMING_LIST)
        self.assertEqual((status, json.loads(body)["details"]["causes"][0]["field"]), (422, "sendInitialEvents"))

    def test_end_of_the_server(self):
        """SIGTERM: the stream goes on, new connections do not; SIGKILL: nothing does. Then it is back."""
        events = self.stream(SERVICES + WATCH.format(60) + "&resourceVersion=1")
        self.server.record.wait(self.server.streams, PATIENCE_SECONDS)
        self.server.terminate(0.5)
        with self.assertRaises(ConnectionRefusedError):
            Client(self.server)
        self.server.put(service("web"))
        self.assertEqual([one["type"] for one in events], ["ADDED"])
        port = self.server.port
        self.server.start()
        self.assertEqual(self.server.port, port)
        client = self.client()
        client.watch(SERVICES + WATCH.format(60) + f"&resourceVersion={self.server.store.version}")
        self.server.kill()
        self.assertEqual(client.file.read(), b"")
        with self.assertRaises(ConnectionRefusedError):
            Client(self.server)

    def test_impostor(self):
        self.server.kill()
        with tempfile.TemporaryDirectory() as folder:
            self.server.start(certificates.Authority(folder))
        with self.assertRaises(ssl.SSLCertVerificationError):
            Client(self.server)

    def test_store_hangs(self):
        self.server.store_hangs, self.server.hang_seconds = True, 0.3
        client = self.client()
        self.assertEqual(client.ask("GET", SERVICES + "&resourceVersion=0")[0], 200)
        self.assertEqual(client.ask("GET", "/livez")[0], 500)
        with self.assertRaises(EOFError):
            client.ask("GET", SERVICES)

    # --- what it has to say of clients

    def test_complaints(self):
        client = self.client()
        client.ask("GET", SERVICES)
        for seconds in (300, 400, 500, 600):
            with Client(self.server) as watcher:
                watcher.watch(SLICES + WATCH.format(seconds) + STREAMING_LIST)
        self.assertEqual(self.server.record.problems("node-a"), [])
        for target, complaint in (
                ("/api/v1/services", "selectors"),
                ("/api/v1/nodes?fieldSelector=metadata.name%3Dnode-b", "selectors"),
                ("/api/v1/secrets", "needs a right"), (SERVICES + WATCH.format(299), "timeoutSeconds"),
                (SERVICES + "&watch=true&timeoutSeconds=300", "no bookmarks"),
                (SERVICES + WATCH.format(300) + "&resourceVersion=12345", "never heard of")):
            self.server.record.requests.clear()
            with Client(self.server) as bad:
                bad.send("GET", target)
                bad.head()
            (problem,) = self.server.record.problems("node-a")
            self.assertIn(complaint, problem)
        self.server.record.requests.clear()
        for headers, complaint in (({"Accept": "text/plain"}, "Accept"), ({"User-Agent": "curl/7"}, "User-Agent")):
            client.ask("GET", SERVICES, headers=headers)
            self.assertIn(complaint, self.server.record.problems("node-a")[-1])
        client.ask("DELETE", "/api/v1/services")
        self.assertIn("needs a right", self.server.record.problems("node-a")[-1])
        self.assertEqual(self.server.record.most_in(60, "services"), 3)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""A Kubernetes API server as a Service proxy sees it, for tests: real TLS and HTTP/1.1, the answers of
a real one (recorded/ has examples), and faults on demand. As a program it serves a snapshot file:

    tests/apiserver/server.py --snapshot cluster.json --kubeconfig kubeconfig

and the kubeconfig that it writes is what kproxy, kubectl or curl may use until it is stopped.
"""

import argparse
import base64
import json
import pathlib
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time

import reading
import refusals
import writing
from certificates import Authority
from faults import Faults
from record import ADMIN, Record
from resources import GROUPS, PROXY_MAY, RESOURCES, Resource
from store import Store
from wire import Answer, Cut, Listener

PROXY, ANONYMOUS = "system:kube-proxy", "system:anonymous"
PROXY_TOKEN, ADMIN_TOKEN = "fake-proxy-token", "fake-admin-token"
FLOWS = {  # of API priority and fairness: flow schema, priority level
    PROXY: ("ac985868-4423-4051-af0e-ba948a007187", "cad7a88c-9971-4549-9fcd-33152363ffd5"),
    ADMIN: ("c248909b-1a5c-4a28-ba1e-b161c847656c", "dba5173e-7e14-4193-b640-1e00a779f764"),
}
PROBES = ("/readyz", "/livez", "/healthz")
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitTreeState": "", "platform": "linux/amd64"}


class ApiServer:
    """Any thread may use it. The public attributes may be changed at any time; they hold for requests
    and streams from then on."""

    def __init__(self, folder, open_socket=socket.socket, names="IP:127.0.0.1,IP:::1,DNS:localhost"):
        self.folder, self.open_socket = pathlib.Path(folder), open_socket
        self.authority = Authority(self.folder)
        self.certificate = self.authority.server(names)
        self.store, self.faults, self.record = Store(), Faults(), Record()
        self.tokens = {PROXY_TOKEN: PROXY, ADMIN_TOKEN: ADMIN}
        self.starting = False  # roles are not loaded: 403 for everybody
        self.streaming_lists = True
        self.priority_and_fairness = True
        self.missing = set()  # resources that this server does not have
        self.store_hangs = False
        self.hang_seconds = 60.0  # what a request then waits before the connection is closed
        self.too_large_seconds = 3.0  # what a request for a version from the future waits
        self.bookmark_seconds = 60.0
        self.drained_at = None
        self.port, self.listener = 0, None
        self.lock, self.open_streams = threading.Lock(), []

    # --- its life

    def start(self, authority=None):
        """On the port of the last time. With another authority: an impostor."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(*(authority.server() if authority else self.certificate))
        context.load_verify_locations(self.authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.drained_at = None
        self.listener = Listener(context, self.open_socket, self.port, self.serve)
        self.port = self.listener.port
        return self

    def kill(self):
        """Connections end in the middle of what they are at; new ones are refused."""
        listener, self.listener = self.listener, None
        if listener:
            listener.refuse()
            listener.close_all()

    def terminate(self, seconds=60.0):
        """As on SIGTERM: new connections are refused, streams go on for a while and end cleanly."""
        listener, self.listener = self.listener, None
        self.drained_at = time.monotonic() + seconds
        listener.refuse()

    def restart(self, history=False):
        """Killed and started anew; without memory of what happened before."""
        self.kill()
        if not history:
            self.store.forget()
        return self.start()

    def drained(self, now):
        return self.drained_at is not None and now >= self.drained_at

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    # --- what it serves

    def load(self, objects):
        self.store.load(objects)

    def put(self, *objects):
        for one in objects:
            self.store.put(one)

    def delete(self, *objects):
        for one in objects:
            plural = next(resource.plural for resource in RESOURCES.values() if resource.kind == one["kind"])
            self.store.delete(plural, one["metadata"].get("namespace", ""), one["metadata"]["name"])

    # --- streams under way

    def streams_changed(self, stream, begins):
        with self.lock:
            (self.open_streams.append if begins else self.open_streams.remove)(stream)

    def streams(self, resource=""):
        with self.lock:
            return [one for one in self.open_streams if resource in ("", one.resource.plural)]

    # --- for clients

    def kubeconfig(self, path, token=PROXY_TOKEN, token_file=None, certificate=None, url=None):
        """A kubeconfig file with a token, a file that has it, or a (certificate, key)."""
        ca = base64.b64encode(self.authority.certificate.read_bytes()).decode()
        if certificate:
            user = {"client-certificate": str(certificate[0]), "client-key": str(certificate[1])}
        else:
            user = {"tokenFile": str(token_file)} if token_file else {"token": token}
        credentials = "\n".join(f"    {key}: {value}" for key, value in user.items())
        pathlib.Path(path).write_text(f"""\
apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: {url or f"https://127.0.0.1:{self.port}"}
    certificate-authority-data: {ca}
users:
- name: proxy
  user:
{credentials}
contexts:
- name: test
  context: {{cluster: test, user: proxy}}
current-context: test
""")
        return path

    # --- requests

    def serve(self, connection):
        while (request := connection.read_request()) is not None:
            connection.heal()
            resource = self.understand(request)
            self.record.add(request)
            try:
                self.answer(connection, request, resource)
            except refusals.Refused as refused:
                request.status = refused.status
                flow = {} if refused.status == 401 else self.flow_headers(request)
                answer = Answer(connection, refused.status, {**refused.headers, **flow}, refused.closes)
                answer.write(refused.body)
                answer.finish()
            if request.headers.get("connection", "").lower() == "close":
                return

    def understand(self, request):
        """Fills in what the path means; the resource, if there is such."""
        parts = request.path.strip("/").split("/")
        group, version, rest = "", "", []
        if parts[0] == "api" and len(parts) > 2:
            version, rest = parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        if len(rest) > 2 and rest[0] == "namespaces":
            request.namespace, rest = rest[1], rest[2:]
        request.resource, request.name = (rest + ["", ""])[:2]
        if request.method == "GET":
            request.verb = ("watch" if request.query.get("watch") in ("true", "1")
                            else "get" if request.name else "list")
        elif request.method == "DELETE":
            request.verb = "delete" if request.name else "deletecollection"
        else:
            request.verb = VERBS.get(request.method, "")
        request.group = group
        resource = RESOURCES.get(request.resource)
        known = resource and (resource.group, resource.version) == (group, version)
        return resource if known and resource.plural not in self.missing else None

    def answer(self, connection, request, resource):
        fault = self.faults.of(request)
        connection.cut_at = fault.cut_after if fault.cut_after >= 0 else None
        connection.freeze_at = fault.freeze_after if fault.freeze_after >= 0 else None
        connection.trickle = fault.trickle
        time.sleep(fault.delay)
        if fault.hang:
            connection.freeze()
            raise Cut("hung")
        if fault.close:
            raise Cut("closed")
        request.user = self.authenticate(connection, request)
        if fault.status:
            raise self.refusal(fault, request, resource)
        if request.path in PROBES or request.path == "/version":
            return self.write(connection, request, self.probe(request))
        self.authorize(request, resource)
        if resource is None:
            raise refusals.no_such_resource() if request.group in GROUPS else refusals.no_such_group()
        self.accept(request)
        if request.verb == "list":
            if fault.expired:
                raise refusals.list_too_old()
            return reading.list_objects(self, request, resource, connection)
        if request.verb == "watch":
            stream = reading.Stream(self, request, resource, connection)
            if fault.expired:
                stream.expire()
            if fault.end:
                stream.end()
            return stream.run()
        return self.write(connection, request, self.one(request, resource))

    def write(self, connection, request, answer):
        request.status, body, headers = answer
        made = Answer(connection, request.status, {**headers, **self.flow_headers(request)})
        made.write(body)
        made.finish()

    def one(self, request, resource):
        """What is about a single object: (status, body, headers)."""
        if request.verb == "get":
            entry = self.store.get(resource.plural, request.namespace, request.name)
            if entry is None:
                raise refusals.not_found(resource, request.name)
            return 200, entry.whole(resource) + b"\n", refusals.JSON
        if request.verb == "create":
            return 201, writing.create(self, request, resource) + b"\n", refusals.JSON
        for verb in ("update", "patch", "delete"):
            if request.verb == verb:
                return 200, getattr(writing, verb)(self, request, resource) + b"\n", refusals.JSON
        raise refusals.text(405, "405: Method Not Allowed")

    def probe(self, request):
        if request.path == "/version":
            return 200, json.dumps(VERSION, indent=2).encode(), refusals.JSON
        if request.path == "/livez" and self.store_hangs or request.path == "/readyz" and self.starting:
            raise refusals.text(500, "[+]ping ok\n[+]log ok\n[-]etcd failed: reason withheld\n")
        return 200, b"ok", refusals.TEXT

    def authenticate(self, connection, request):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme != "Bearer" or token not in self.tokens:
                raise refusals.unauthorized()
            return self.tokens[token]
        certificate = connection.sock.getpeercert()
        if certificate:
            return dict(pair for part in certificate["subject"] for pair in part)["commonName"]
        return ANONYMOUS

    def authorize(self, request, resource):
        if request.user == ADMIN and not self.starting:
            return
        may = request.verb in PROXY_MAY.get(request.resource, ()) and request.group in GROUPS
        if self.starting or request.user != PROXY or not may:
            asked = resource or Resource(request.group, "", request.resource, "", False)
            raise refusals.forbidden(request.user, request.verb, asked, request.namespace, request.name)

    def accept(self, request):
        """JSON, plain and as it is, is all that this server writes."""
        kinds = [part.split(";") for part in request.headers.get("accept", "*/*").split(",")]
        if not any(kind[0].strip() in ("application/json", "application/*", "*/*")
                   and not any(word.strip().startswith("as=") for word in kind[1:]) for kind in kinds):
            raise refusals.not_acceptable()

    def refusal(self, fault, request, resource):
        if fault.status == 429:
            return refusals.too_many_requests(fault.retry_after or 1)
        if fault.status == 401:
            return refusals.unauthorized()
        if fault.status == 403 and resource:
            return refusals.forbidden(request.user, request.verb, resource, request.namespace, request.name)
        if fault.status == 404:
            return refusals.no_such_resource()
        if fault.status == 410:
            return refusals.list_too_old()
        return refusals.overloaded(fault.status, fault.retry_after)

    def flow_headers(self, request):
        if not self.priority_and_fairness:
            return {}
        schema, level = ("", "") if self.starting else FLOWS.get(request.user, FLOWS[PROXY])
        return {"X-Kubernetes-Pf-Flowschema-Uid": schema, "X-Kubernetes-Pf-Prioritylevel-Uid": level}

    def wait_for_store(self, connection):
        """Where the store does not answer, a request waits and then gets no answer either."""
        end = time.monotonic() + self.hang_seconds
        while self.store_hangs:
            if time.monotonic() >= end or connection.left():
                raise Cut("the store does not answer")
            time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--snapshot", required=True, help="objects as `kubectl get -o json` gives them")
    parser.add_argument("--kubeconfig", required=True, help="to write; it has the token of a Service proxy")
    parser.add_argument("--admin-kubeconfig", help="to write; with it all may be changed")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1 (default: any)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="apiserver-") as folder:
        server = ApiServer(folder)
        server.port = options.port
        server.load(json.loads(pathlib.Path(options.snapshot).read_text())["items"])
        with server:
            server.kubeconfig(options.kubeconfig)
            if options.admin_kubeconfig:
                server.kubeconfig(options.admin_kubeconfig, token=ADMIN_TOKEN)
            print(f"Serving on https://127.0.0.1:{server.port}", flush=True)
            try:
                signal.pause()
            except KeyboardInterrupt:
                pass


if __name__ == "__main__":
    main()

"""Requests to the API server, by the standard library."""

import http.client
import json
import urllib.parse

TIMEOUT_SECONDS = 30


class Refused(Exception):
    def __init__(self, method, path, status, message):
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status


class NamedHost(http.client.HTTPSConnection):
    """Verifies another name than that of the URL, where the kubeconfig says so."""

    def __init__(self, *more, server_name, **options):
        super().__init__(*more, **options)
        self.server_name = server_name

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.server_name or self.host)


class Cluster:
    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        url = urllib.parse.urlsplit(kubeconfig.server)
        if url.scheme != "https":
            raise ValueError(f"{kubeconfig.server} is no https URL")
        self.address, self.prefix = (url.hostname, url.port or 443), url.path

    def ask(self, method, path, body=None, kind="application/json"):
        connection = NamedHost(*self.address, timeout=TIMEOUT_SECONDS, context=self.kubeconfig.tls,
                               server_name=self.kubeconfig.tls_server_name)
        try:
            headers = {**self.kubeconfig.headers, "Accept": "application/json", "User-Agent": "kproxy-e2e"}
            if body is not None:
                headers["Content-Type"] = kind
            connection.request(method, self.prefix + path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            try:
                message = json.loads(data)["message"]
            except (ValueError, KeyError, TypeError):
                message = data.decode(errors="replace")[:200]
            raise Refused(method, path, answer.status, message)
        return json.loads(data)

    def change(self, path, change):
        """Reads the object, has it changed, writes it; once more where somebody else wrote it meanwhile."""
        for attempt in range(5):
            one = self.ask("GET", path)
            change(one)
            try:
                return self.ask("PUT", path, one)
            except Refused as refused:
                if refused.status != 409 or attempt == 4:
                    raise

    def snapshot(self):
        """What a Service proxy sees, as `kubectl get -o json` would print it."""
        items = []
        for path, kind in (("/api/v1/services", "Service"), ("/api/v1/nodes", "Node"),
                           ("/apis/discovery.k8s.io/v1/endpointslices", "EndpointSlice"),
                           ("/apis/networking.k8s.io/v1/servicecidrs", "ServiceCIDR")):
            try:
                found = self.ask("GET", path)
            except Refused as refused:
                if kind == "ServiceCIDR" and refused.status in (403, 404):
                    continue
                raise
            items += [{"kind": kind, "apiVersion": found["apiVersion"], **item} for item in found["items"]]
        return {"kind": "List", "apiVersion": "v1", "items": items}

"""What the API server serves: its resources, and how selectors choose among their objects."""

import dataclasses
import re

NODE_INFO = ",".join(f'"{name}":""' for name in (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
    "kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture"))


@dataclasses.dataclass(frozen=True)
class Resource:
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    empty: str = ""  # the required fields of an object that says nothing, in a BOOKMARK

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name_with_group(self):
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def header(self):
        return f'"kind":"{self.kind}","apiVersion":"{self.api_version}",'.encode()


RESOURCES = {one.plural: one for one in (
    Resource("", "v1", "services", "Service", True, ',"spec":{},"status":{"loadBalancer":{}}'),
    Resource("", "v1", "nodes", "Node", False,
             ',"spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{' + NODE_INFO + "}}"),
    Resource("", "v1", "namespaces", "Namespace", False, ',"spec":{},"status":{}'),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True,
             ',"addressType":"","endpoints":null,"ports":null'),
    Resource("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", False, ',"spec":{},"status":{}'),
    Resource("events.k8s.io", "v1", "events", "Event", True, ',"eventTime":null'),
)}
BY_KIND = {one.kind: one for one in RESOURCES.values()}
GROUPS = {one.group for one in RESOURCES.values()}
FIELDS = {"services": ("metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type")}
ANY_FIELDS = ("metadata.name", "metadata.namespace")

# What ClusterRole system:node-proxier permits.
PROXY_MAY = {
    "services": {"list", "watch"},
    "endpointslices": {"list", "watch"},
    "servicecidrs": {"list", "watch"},
    "nodes": {"get", "list", "watch"},
    "events": {"create", "patch", "update"},
}


class BadSelector(Exception):
    """The message of the 400."""


def terms(text):
    """(name, operator, value) of each, operator one of "=", "!=", "exists", "absent"."""
    for term in text.split(",") if text else []:
        match = re.fullmatch(r"(!?)([\w./-]+)(?:(==?|!=)([\w./:-]*))?", term)
        if not match or (match[1] and match[3]):
            raise BadSelector(f"unable to parse requirement: {term}")
        negated, name, operator, value = match.groups()
        if operator:
            yield name, "!=" if operator == "!=" else "=", value
        else:
            yield name, "absent" if negated else "exists", ""


class Selector:
    """Of labels and fields, as in a query."""

    def __init__(self, resource, labels, fields):
        self.text = (labels, fields)
        self.labels, self.fields = list(terms(labels)), list(terms(fields))
        for name, operator, _ in self.fields:
            if operator in ("exists", "absent") or name not in FIELDS.get(resource.plural, ANY_FIELDS):
                raise BadSelector(f"field label not supported: {name}")

    def __bool__(self):
        return bool(self.labels or self.fields)

    def matches(self, entry):
        return (all(holds(entry.labels.get(name), operator, value) for name, operator, value in self.labels)
                and all(holds(entry.fields.get(name, ""), operator, value) for name, operator, value in self.fields))


def holds(present, operator, value):
    if operator == "exists":
        return present is not None
    if operator == "absent":
        return present is None
    return (present == value) == (operator == "=")

"""What clients may create, change and delete: Events, and for an administrator all the rest."""

import ipaddress
import itertools
import json
import re

import refusals
from resources import RESOURCES

MICRO_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
CLUSTER_IPS = ipaddress.ip_network("10.96.0.0/16")


def decode(resource, body):
    try:
        one = json.loads(body)
    except ValueError:
        raise refusals.unrecognized(resource.kind, body) from None
    if not isinstance(one, dict) or one.get("kind") != resource.kind or not isinstance(one.get("metadata"), dict):
        raise refusals.failure(400, f"the object provided is no {resource.kind}", "BadRequest")
    return one


def create(server, request, resource):
    """The created object, as JSON."""
    one = decode(resource, request.body)
    name = one["metadata"].get("name", "")
    if not name:
        raise refusals.required(resource.kind, "", "metadata.name")
    if resource.namespaced and one["metadata"].setdefault("namespace", request.namespace) != request.namespace:
        raise refusals.failure(400, "the namespace of the provided object does not match the namespace sent on the "
                                    "request", "BadRequest")
    if resource.plural == "events":
        judge_event(one, name)
        for field in ("deprecatedFirstTimestamp", "deprecatedLastTimestamp"):
            one.setdefault(field, None)
        one.setdefault("deprecatedSource", {})
    elif resource.namespaced and server.store.get("namespaces", "", request.namespace) is None:
        raise refusals.not_found(RESOURCES["namespaces"], request.namespace)
    if resource.plural == "services":
        complete_service(server.store, one)
    with server.store.changed:
        if server.store.get(resource.plural, one["metadata"].get("namespace", ""), name) is not None:
            raise refusals.already_exists(resource, name)
        return server.store.put(one)


def judge_event(one, name):
    """As the server validates new Events of events.k8s.io/v1."""
    for field in ("eventTime", "reportingController", "reportingInstance", "action", "reason"):
        if not one.get(field):
            raise refusals.required("Event", name, field)
    if not re.fullmatch(MICRO_TIME, one["eventTime"]):
        raise refusals.failure(400, f'parsing time "{one["eventTime"]}"', "BadRequest")
    if one.get("type") not in ("Normal", "Warning"):
        raise refusals.invalid("Event", name, "type", "has invalid value")
    for field, longest in (("note", 1024), ("reportingInstance", 128), ("action", 128), ("reason", 128)):
        if len(one.get(field, "")) > longest:
            raise refusals.invalid("Event", name, field, f"can have at most {longest} characters")
    if not re.fullmatch(SUBDOMAIN, name) or len(name) > 253:
        raise refusals.invalid("Event", name, "metadata.name", "is no DNS subdomain")


def complete_service(store, one):
    """The address that is allocated to it, and what else has defaults."""
    spec = one.setdefault("spec", {})
    one.setdefault("status", {"loadBalancer": {}})
    for key, value in (("type", "ClusterIP"), ("sessionAffinity", "None"), ("internalTrafficPolicy", "Cluster"),
                       ("ipFamilies", ["IPv4"]), ("ipFamilyPolicy", "SingleStack")):
        spec.setdefault(key, value)
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
    if "clusterIP" not in spec and spec["type"] != "ExternalName":
        taken = {entry.fields["spec.clusterIP"] for entry in store.list("services")[1]}
        spec["clusterIP"] = next(str(address) for address in itertools.islice(CLUSTER_IPS.hosts(), 256, None)
                                 if str(address) not in taken)
    if spec.get("clusterIP") not in (None, "", "None"):
        spec.setdefault("clusterIPs", [spec["clusterIP"]])


def update(server, request, resource):
    one = decode(resource, request.body)
    if server.store.get(resource.plural, request.namespace, request.name) is None:
        raise refusals.not_found(resource, request.name)
    return server.store.put(one)


def patch(server, request, resource):
    """Of an Event: top level members are replaced, which is all that its recorder wants."""
    entry = server.store.get(resource.plural, request.namespace, request.name)
    if entry is None:
        raise refusals.not_found(resource, request.name)
    return server.store.put({**json.loads(entry.whole(resource)), **json.loads(request.body)})


def delete(server, request, resource):
    gone = server.store.delete(resource.plural, request.namespace, request.name)
    if gone is None:
        raise refusals.not_found(resource, request.name)
    if resource.plural == "namespaces":  # and all that is in it
        for plural, other in RESOURCES.items():
            for entry in server.store.list(plural)[1] if other.namespaced else []:
                if entry.fields["metadata.namespace"] == request.name:
                    server.store.delete(plural, request.name, entry.fields["metadata.name"])
    return gone

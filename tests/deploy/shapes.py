"""What the objects of a deployment must look like: which fields each has, of which type. A field that
is not named here is a problem, so that a misspelt one cannot go unnoticed. A shape is a function of a
value and its place; it yields the problems."""

import re


def text(pattern=r".+"):
    def check(value, where):
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            yield f"{where}: {value!r} is no text like {pattern}"
    return check


def boolean(value, where):
    if not isinstance(value, bool):
        yield f"{where}: {value!r} is neither true nor false"


def number(least, most=2**31 - 1):
    def check(value, where):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            yield f"{where}: {value!r} is no number within {least}..{most}"
    return check


def one_of(*values):
    def check(value, where):
        if value not in values or isinstance(value, bool) != isinstance(values[0], bool):
            yield f"{where}: {value!r} is none of {values}"
    return check


def list_of(shape, least=1):
    def check(value, where):
        if not isinstance(value, list) or len(value) < least:
            yield f"{where}: {value!r} is no list of {least} or more"
            return
        for place, item in enumerate(value):
            yield from shape(item, f"{where}[{place}]")
    return check


def map_of(key, shape):
    def check(value, where):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        for name, item in value.items():
            yield from key(name, f"{where}: the key")
            yield from shape(item, f"{where}.{name}")
    return check


def fields(required, **optional):
    def check(value, where):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
            return
        yield from (f"{where}.{name}: is missing" for name in required if name not in value)
        for name, item in value.items():
            shape = required.get(name) or optional.get(name)
            if shape is None:
                yield f"{where}.{name}: is not known"
            else:
                yield from shape(item, f"{where}.{name}")
    return check


NAME = text(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
PORT_NAME = text(r"[a-z0-9-]{1,15}")
LABELS = map_of(text(r"([a-z0-9.-]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}"), text(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?|"))
PATH = text(r"/[A-Za-z0-9/._-]*")
PORT = number(1, 65535)
QUANTITY = text(r"[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?")
IMAGE = text(r"[a-z0-9][a-z0-9./:_-]*:[A-Za-z0-9._-]+")

METADATA = fields({"name": NAME}, labels=LABELS)
NAMESPACED = fields({"name": NAME, "namespace": NAME}, labels=LABELS)

SERVICE_ACCOUNT = fields({"apiVersion": one_of("v1"), "kind": one_of("ServiceAccount"), "metadata": NAMESPACED})

CLUSTER_ROLE = fields({
    "apiVersion": one_of("rbac.authorization.k8s.io/v1"), "kind": one_of("ClusterRole"), "metadata": METADATA,
    "rules": list_of(fields({
        "apiGroups": list_of(text(r"[a-z0-9.]*")), "resources": list_of(text(r"[a-z]+")),
        "verbs": list_of(one_of("get", "list", "watch", "create", "update", "patch", "delete"))}))})

CLUSTER_ROLE_BINDING = fields({
    "apiVersion": one_of("rbac.authorization.k8s.io/v1"), "kind": one_of("ClusterRoleBinding"), "metadata": METADATA,
    "roleRef": fields({"apiGroup": one_of("rbac.authorization.k8s.io"), "kind": one_of("ClusterRole"), "name": NAME}),
    "subjects": list_of(fields({"kind": one_of("ServiceAccount"), "name": NAME, "namespace": NAME}))})

CONFIG_MAP = fields({
    "apiVersion": one_of("v1"), "kind": one_of("ConfigMap"), "metadata": NAMESPACED,
    "data": map_of(text(r"[A-Za-z0-9._-]+"), text())})

PROBE = fields({"httpGet": fields({"path": PATH, "port": PORT})}, periodSeconds=number(1), failureThreshold=number(1))

SECURITY_CONTEXT = fields(
    {}, privileged=boolean, allowPrivilegeEscalation=boolean, readOnlyRootFilesystem=boolean,
    capabilities=fields({}, add=list_of(text(r"[A-Z_]+")), drop=list_of(text(r"[A-Z_]+"))),
    seccompProfile=fields({"type": one_of("RuntimeDefault", "Unconfined")}))

ENVIRONMENT = fields(
    {"name": text(r"[A-Z_]+")}, value=text(),
    valueFrom=fields({}, fieldRef=fields({"fieldPath": text()}), configMapKeyRef=fields({"name": NAME, "key": text()})))

CONTAINER = fields(
    {"name": NAME, "image": IMAGE}, imagePullPolicy=one_of("Always", "IfNotPresent", "Never"),
    command=list_of(text()), args=list_of(text()), env=list_of(ENVIRONMENT),
    ports=list_of(fields({"containerPort": PORT}, name=PORT_NAME, protocol=one_of("TCP"))),
    startupProbe=PROBE, livenessProbe=PROBE, readinessProbe=PROBE, securityContext=SECURITY_CONTEXT,
    resources=fields({}, requests=map_of(one_of("cpu", "memory"), QUANTITY), limits=map_of(one_of("cpu", "memory"), QUANTITY)),
    volumeMounts=list_of(fields({"name": NAME, "mountPath": PATH}, readOnly=boolean)))

VOLUME = fields(
    {"name": NAME},
    configMap=fields({"name": NAME}, items=list_of(fields({"key": text(), "path": text(r"[^/].*")}))),
    hostPath=fields({"path": PATH}, type=one_of("Directory", "DirectoryOrCreate", "File", "FileOrCreate")))

POD = fields(
    {"containers": list_of(CONTAINER)}, initContainers=list_of(CONTAINER), serviceAccountName=NAME, hostNetwork=boolean,
    priorityClassName=one_of("system-node-critical"), nodeSelector=LABELS,
    tolerations=list_of(fields({"operator": one_of("Exists", "Equal")}, key=text(), value=text(), effect=text())),
    imagePullSecrets=list_of(fields({"name": NAME})), volumes=list_of(VOLUME))

DAEMON_SET = fields({
    "apiVersion": one_of("apps/v1"), "kind": one_of("DaemonSet"), "metadata": NAMESPACED,
    "spec": fields({
        "selector": fields({"matchLabels": LABELS}),
        "template": fields({"metadata": fields({"labels": LABELS}), "spec": POD})},
        updateStrategy=fields({"type": one_of("RollingUpdate")},
                              rollingUpdate=fields({"maxUnavailable": text(r"[0-9]+%")})))})

OBJECTS = {"ServiceAccount": SERVICE_ACCOUNT, "ClusterRole": CLUSTER_ROLE, "ClusterRoleBinding": CLUSTER_ROLE_BINDING,
           "ConfigMap": CONFIG_MAP, "DaemonSet": DAEMON_SET}

KUSTOMIZATION = fields({
    "apiVersion": one_of("kustomize.config.k8s.io/v1beta1"), "kind": one_of("Kustomization"), "namespace": NAME,
    "resources": list_of(text(r"[a-z]+\.yaml"))})

CHART = fields({
    "apiVersion": one_of("v2"), "name": NAME, "version": text(r"\d+\.\d+\.\d+"), "appVersion": text(r"\d+\.\d+\.\d+"),
    "description": text(), "type": one_of("application"), "kubeVersion": text(r">=\d+\.\d+\.\d+-0")})


def problems(one):
    """Of any object of a deployment."""
    kind = one.get("kind") if isinstance(one, dict) else None
    if kind not in OBJECTS:
        return [f"kind {kind!r} is not among {', '.join(OBJECTS)}"]
    return list(OBJECTS[kind](one, kind))

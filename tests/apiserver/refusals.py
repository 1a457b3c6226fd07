"""Answers that say no: a status code and, mostly, a Status object."""

from store import compact

TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
JSON = {"Content-Type": "application/json"}
NOSNIFF = {"X-Content-Type-Options": "nosniff"}
INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list.")


class Refused(Exception):
    """An answer other than what was asked for."""

    def __init__(self, status, body, headers=JSON, closes=False):
        super().__init__(status)
        self.status, self.body, self.headers, self.closes = status, body, headers, closes


def status_object(code, message, reason="", details=None, metadata=None):
    made = {"kind": "Status", "apiVersion": "v1", "metadata": metadata or {}, "status": "Failure", "message": message}
    if reason:
        made["reason"] = reason
    if details is not None:
        made["details"] = details
    return {**made, "code": code}


def failure(code, message, reason="", details=None, headers=None, metadata=None):
    body = compact(status_object(code, message, reason, details, metadata)) + b"\n"
    return Refused(code, body, {**JSON, **(headers or {})})


def text(code, message, headers=None):
    return Refused(code, message.encode(), {**TEXT, **(headers or {})})


def details(resource, name=""):
    found = {"name": name} if name else {}
    if resource.group:
        found["group"] = resource.group
    return {**found, "kind": resource.plural}


def unauthorized():
    return failure(401, "Unauthorized", "Unauthorized")


def forbidden(user, verb, resource, namespace="", name=""):
    shown = f'{resource.name_with_group} "{name}"' if name else resource.name_with_group
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return failure(403, f'{shown} is forbidden: User "{user}" cannot {verb} resource "{resource.plural}" '
                        f'in API group "{resource.group}" {where}', "Forbidden", details(resource, name), NOSNIFF)


def not_found(resource, name):
    return failure(404, f'{resource.name_with_group} "{name}" not found', "NotFound", details(resource, name))


def no_such_resource():
    return failure(404, "the server could not find the requested resource", "NotFound", {})


def no_such_group():
    return text(404, "404 page not found\n")


def already_exists(resource, name):
    message = f'{resource.name_with_group} "{name}" already exists'
    return failure(409, message, "AlreadyExists", details(resource, name))


def too_many_requests(retry_after):
    return text(429, "Too many requests, please try again later.\n", {"Retry-After": str(retry_after)})


def overloaded(code, retry_after):
    """A 5xx, as a load balancer or the server itself gives it."""
    return text(code, "the server is currently unable to handle the request\n",
                {"Retry-After": str(retry_after)} if retry_after else {})


def malformed_version(value, watch):
    cause = f'resourceVersion: Invalid value: "{value}": strconv.ParseUint: parsing "{value}": invalid syntax'
    return failure(500, cause) if watch else failure(400, f"invalid resource version: {cause}", "BadRequest")


def version_too_large(version, current):
    return status_object(504, f"Timeout: Too large resource version: {version}, current: {current}", "Timeout", {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1})


def expired(version, oldest):
    return status_object(410, f"too old resource version: {version} ({oldest})", "Expired")


def list_too_old():
    return failure(410, "The resourceVersion for the provided list is too old.", "Expired")


def continue_too_old(token):
    return failure(410, INCONSISTENT, "Expired", metadata={"continue": token})


def invalid_options(causes):
    """`causes`: (field, message) of each."""
    texts = [f"{field}: Forbidden: {message}" for field, message in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return failure(422, f'ListOptions.meta.k8s.io "" is invalid: {joined}', "Invalid", {
        "group": "meta.k8s.io", "kind": "ListOptions",
        "causes": [{"reason": "FieldValueForbidden", "message": f"Forbidden: {message}", "field": field}
                   for field, message in causes]})


def not_acceptable():
    available = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
    available += [f"{one};stream=watch" for one in (available[0], available[2])]
    message = "406: Not Acceptable\\n\\nAvailable representations: " + ", ".join(available)
    return Refused(406, f"""{{
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {{}},
  "status": "Failure",
  "message": "{message}",
  "reason": "NotAcceptable",
  "details": {{}},
  "code": 406
}}""".encode())


def required(kind, name, field):
    return failure(422, f'{kind} "{name}" is invalid: {field}: Required value', "Invalid", {
        "name": name, "kind": kind,
        "causes": [{"reason": "FieldValueRequired", "message": "Required value", "field": field}]})


def invalid(kind, name, field, message):
    return failure(422, f'{kind} "{name}" is invalid: {field}: Invalid value: {message}', "Invalid", {
        "name": name, "kind": kind, "causes": [{"reason": "FieldValueInvalid", "message": message, "field": field}]})


def unrecognized(kind, body):
    body = body.decode(errors="replace")
    return failure(400, f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
                        f"json parse error: unexpected end of JSON input ({body})", "BadRequest")

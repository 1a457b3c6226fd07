"""Makes a disagreement small: takes away whatever can go while there still is one."""

import copy

# Without these an object is no object any more, or says something else than one may mean.
NEEDED = {"apiVersion", "kind", "metadata", "name", "namespace", "creationTimestamp", "spec", "ports",
          "port", "addressType", "endpoints", "addresses", "type", "clusterIP", "clusterIPs",
          "ipFamilies", "items", "hostnameOverride", "mode", "detectLocalMode", "detectLocal",
          "bridgeInterface", "interfaceNamePrefix", "nftables", "status", "address", "cidrs",
          "kubernetes.io/service-name"}


def shrink(objects, options, differs):
    """The least of both that `differs(objects, options)` still holds for, as far as taking away one
    thing at a time goes: whole objects first, then parts of them, as often as anything goes."""
    found = {"objects": copy.deepcopy(objects), "options": copy.deepcopy(options)}
    goes_on = True
    while goes_on:
        goes_on = False
        for path in sorted(paths(found), key=len):
            smaller = without(found, path)
            if smaller is not None and differs(smaller["objects"], smaller["options"]):
                found, goes_on = smaller, True
    return found["objects"], found["options"]


def paths(value, path=()):
    """To all that may be taken away; of a list the last first, so that indexes stay true."""
    members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))[::-1]
    for key, member in members:
        in_list = isinstance(value, list)
        if path and (key not in NEEDED or in_list) and not (in_list and path[-1] in (
                "clusterIPs", "ipFamilies", "addresses", "ports", "cidrs") and len(value) == 1):
            if not (in_list and path[-1] in ("clusterIPs", "ipFamilies")):
                yield path + (key,)
        if isinstance(member, (dict, list)):
            yield from paths(member, path + (key,))


def without(found, path):
    """A copy that lacks what is there; nothing if that is gone already."""
    smaller = copy.deepcopy(found)
    holder = smaller
    try:
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return smaller

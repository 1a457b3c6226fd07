"""The objects of a cluster, serialised, and the history of their changes: what LIST and WATCH read."""

import bisect
import dataclasses
import datetime
import json
import re
import threading
import uuid

from resources import BY_KIND, RESOURCES


@dataclasses.dataclass(slots=True)
class Entry:
    """An object as it was from `version` on. `item` has neither kind nor apiVersion."""

    key: str  # "/namespace/name" or "/name": lists are sorted by it
    version: int
    labels: dict
    fields: dict
    item: bytes

    def whole(self, resource):
        return b"{" + resource.header() + self.item[1:]


@dataclasses.dataclass(slots=True)
class Event:
    version: int
    before: Entry
    after: Entry
    gone: Entry  # `before` with the version of the event: what a DELETED shows

    def seen_by(self, selector):
        """(type, entry) for a watcher with that selector, or nothing."""
        was = self.before is not None and selector.matches(self.before)
        now = self.after is not None and selector.matches(self.after)
        if now:
            return ("MODIFIED" if was else "ADDED"), self.after
        return ("DELETED", self.gone) if was else None


class Collection:
    def __init__(self):
        self.entries = {}
        self.history = []
        self.oldest = 0  # versions before it are forgotten


class TooOld(Exception):
    """That version has been forgotten."""


def compact(value):
    """JSON as the server writes it: one line, and nothing that a browser might take for markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return text.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_of(namespace, name):
    return f"/{namespace}/{name}" if namespace else f"/{name}"


class Store:
    """Any thread may read and write; `changed` is notified of each change."""

    def __init__(self):
        self.changed = threading.Condition()
        self.version = 1
        self.collections = {plural: Collection() for plural in RESOURCES}

    # --- writing

    def load(self, objects, version=0):
        """Objects with the versions they have already, or the next; without history."""
        with self.changed:
            for one in objects:
                resource = BY_KIND.get(one.get("kind"))
                if resource is None:
                    continue
                stated = int(one["metadata"].get("resourceVersion") or 0)
                self.version = max(self.version + (not stated), stated)
                entry = self.entry(resource, one, stated or self.version, None)
                self.collections[resource.plural].entries[entry.key] = entry
            self.version = max(self.version, version)
            self.forget()

    def put(self, one):
        """Adds or replaces an object; returns it as it is now, as JSON."""
        resource = BY_KIND[one["kind"]]
        with self.changed:
            metadata = one["metadata"]
            key = key_of(metadata.get("namespace", ""), metadata["name"])
            before = self.collections[resource.plural].entries.get(key)
            if before and self.entry(resource, one, before.version, before).item == before.item:
                return before.whole(resource)
            after = self.entry(resource, one, self.version + 1, before)
            self.note(resource, before, after)
            return after.whole(resource)

    def put_raw(self, plural, namespace, name, item, labels=None):
        """An object of any bytes whatever. In `item`, which has neither kind nor apiVersion, the bytes
        @VERSION@ stand for the resourceVersion."""
        with self.changed:
            version, key = self.version + 1, key_of(namespace, name)
            fields = {"metadata.name": name, "metadata.namespace": namespace}
            after = Entry(key, version, labels or {}, fields, item.replace(b"@VERSION@", str(version).encode()))
            self.note(RESOURCES[plural], self.collections[plural].entries.get(key), after)

    def delete(self, plural, namespace, name):
        """The object's last state, or nothing where there is none."""
        with self.changed:
            before = self.collections[plural].entries.get(key_of(namespace, name))
            if before is None:
                return None
            return self.note(RESOURCES[plural], before, None).whole(RESOURCES[plural])

    def entry(self, resource, one, version, before):
        """Completed as the server does."""
        one = {key: value for key, value in one.items() if key not in ("kind", "apiVersion")}
        metadata = dict(one["metadata"])
        one["metadata"] = metadata
        if before is not None:
            for name in ("uid", "creationTimestamp"):  # those of its creation
                known = re.search(rb'"%s":"([^"]*)"' % name.encode(), before.item)
                if known and name not in metadata:
                    metadata[name] = known[1].decode()
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", now())
        metadata["resourceVersion"] = str(version)
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        fields = {"metadata.name": name, "metadata.namespace": namespace}
        if resource.plural == "endpointslices":
            for list_name in ("endpoints", "ports"):
                one[list_name] = one.get(list_name) or None  # an empty list comes back as null
        elif resource.plural == "services":
            fields["spec.clusterIP"] = one.get("spec", {}).get("clusterIP", "")
            fields["spec.type"] = one.get("spec", {}).get("type", "")
        return Entry(key_of(namespace, name), version, metadata.get("labels") or {}, fields, compact(one))

    def note(self, resource, before, after):
        """Makes the change, as the next version; returns what is gone."""
        collection = self.collections[resource.plural]
        self.version += 1
        gone = None
        if before is not None:
            old, new = (b'"resourceVersion":"%d"' % version for version in (before.version, self.version))
            gone = dataclasses.replace(before, version=self.version, item=before.item.replace(old, new, 1))
        if after is None:
            del collection.entries[before.key]
        else:
            collection.entries[after.key] = after
        collection.history.append(Event(self.version, before, after, gone))
        self.changed.notify_all()
        return gone

    def pass_time(self, versions=1):
        """Something changed that nobody here watches."""
        with self.changed:
            self.version += versions

    def forget(self):
        """Compaction: what was before now is forgotten."""
        with self.changed:
            for collection in self.collections.values():
                collection.history.clear()
                collection.oldest = self.version

    # --- reading

    def list(self, plural, version=None):
        """(version, entries in the order of their keys), now or as they were at a version."""
        with self.changed:
            collection = self.collections[plural]
            entries = collection.entries
            if version is not None and version != self.version:
                if version < collection.oldest:
                    raise TooOld
                entries = dict(entries)
                for event in reversed(collection.history):
                    if event.version <= version:
                        break
                    if event.before is None:
                        entries.pop(event.after.key, None)
                    else:
                        entries[event.before.key] = event.before
            return version or self.version, [entries[key] for key in sorted(entries)]

    def get(self, plural, namespace, name):
        with self.changed:
            return self.collections[plural].entries.get(key_of(namespace, name))

    def events_after(self, plural, version):
        with self.changed:
            history = self.collections[plural].history
            return history[bisect.bisect_right(history, version, key=lambda event: event.version):]

    def oldest(self, plural):
        with self.changed:
            return self.collections[plural].oldest

    def snapshot(self):
        """All objects as `kubectl get ... -A -o json` gives them."""
        with self.changed:
            objects = [collection.entries[key].whole(RESOURCES[plural])
                       for plural, collection in self.collections.items() if plural not in ("events", "namespaces")
                       for key in sorted(collection.entries)]
        return b'{"apiVersion":"v1","kind":"List","items":[\n' + b",\n".join(objects) + b"\n]}\n"

"""LIST and WATCH: from the store to the wire."""

import base64
import collections
import json
import random
import time

import refusals
from resources import BadSelector, Selector
from store import TooOld, compact
from wire import GZIP_FROM, Answer, Cut, compressed

INITIAL_EVENTS_END = ',"annotations":{"k8s.io/initial-events-end":"true"}'
FORGOTTEN = -1  # the version in a continue token that means: whatever there is now
LAST_BOOKMARK_SECONDS = 2.0  # before the end
TICK_SECONDS = 0.2  # between two looks at whether the client is still there
DO_NOT_MATCH = "resourceVersionMatch is forbidden unless resourceVersion is provided"
NOT_FOR_LIST = "sendInitialEvents is forbidden for list"
NEEDS_MATCH = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
NO_STREAMING_LISTS = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"


def selector_of(resource, query):
    try:
        return Selector(resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))
    except BadSelector as bad:
        raise refusals.failure(400, str(bad), "BadRequest") from None


def version_of(query, watch):
    """The number, or None where none is given."""
    value = query.get("resourceVersion", "")
    if value and not (value.isascii() and value.isdigit()):
        raise refusals.malformed_version(value, watch)
    return int(value) if value else None


def token(version, start):
    text = compact({"v": "meta.k8s.io/v1", "rv": version, "start": start})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def read_token(text):
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return found["rv"], found["start"]
    except (ValueError, KeyError):
        raise refusals.failure(400, "continue key is not valid", "BadRequest") from None


# --- LIST


def list_objects(server, request, resource, connection):
    """Writes the whole answer."""
    query, store = request.query, server.store
    causes = []
    if "resourceVersionMatch" in query and "resourceVersion" not in query:
        causes.append(("resourceVersionMatch", DO_NOT_MATCH))
    if "sendInitialEvents" in query:
        causes.append(("sendInitialEvents", NOT_FOR_LIST))
    if causes:
        raise refusals.invalid_options(causes)
    selector, version = selector_of(resource, query), version_of(query, watch=False)
    limit, after = int(query.get("limit", "0")), ""
    if "continue" in query:
        version, after = read_token(query["continue"])
    elif version is None:
        server.wait_for_store(connection)
    try:
        if query.get("resourceVersionMatch") == "Exact" or after and version != FORGOTTEN:
            version, entries = store.list(resource.plural, version)
        elif version is not None and version > store.version:
            time.sleep(server.too_large_seconds)
            if version > store.version:
                body = compact(refusals.version_too_large(version, store.version)) + b"\n"
                raise refusals.Refused(504, body, {**refusals.JSON, "Retry-After": "1"})
            version, entries = store.list(resource.plural)
        else:
            version, entries = store.list(resource.plural)
    except TooOld:
        if not after:
            raise refusals.list_too_old() from None
        raise refusals.continue_too_old(token(FORGOTTEN, after.lstrip("/"))) from None
    if after:
        entries = [entry for entry in entries if entry.key.rstrip("\0") > "/" + after.strip("/\0")]
    entries = [entry for entry in entries if selector.matches(entry)] if selector else entries
    metadata = b'"metadata":{"resourceVersion":"%d"' % version
    if limit and len(entries) > limit:
        rest, entries = len(entries) - limit, entries[:limit]
        metadata += b',"continue":"%s"' % token(version, entries[-1].key + "\0").encode()
        if not selector:
            metadata += b',"remainingItemCount":%d' % rest
    server.record.gave(resource.plural, version)
    kind = b'{"kind":"%sList","apiVersion":"%s",' % (resource.kind.encode(), resource.api_version.encode())
    pieces = [kind + metadata + b'},"items":[']
    pieces += [(b"," if index else b"") + entry.item for index, entry in enumerate(entries)]
    pieces.append(b"]}\n")
    headers = dict(refusals.JSON)
    if "gzip" in request.headers.get("accept-encoding", "") and sum(map(len, pieces)) > GZIP_FROM:
        headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        pieces = compressed(pieces)
    answer = Answer(connection, 200, {**headers, **server.flow_headers(request)})
    request.status = 200
    for piece in pieces:
        answer.write(piece)
    answer.finish()


# --- WATCH


def line(kind, content):
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), content)


class Stream:
    """A WATCH under way. Other threads may interfere with it: see the verbs below."""

    def __init__(self, server, request, resource, connection):
        self.server, self.request, self.resource, self.connection = server, request, resource, connection
        query = request.query
        self.selector = selector_of(resource, query)
        self.version = version_of(query, watch=True)
        self.bookmarks = query.get("allowWatchBookmarks") == "true"
        self.initial = query.get("sendInitialEvents") == "true"
        self.seconds = int(query.get("timeoutSeconds") or 0) or random.randint(1800, 3600)
        self.commands = collections.deque()  # functions to call in the thread of the stream
        self.told = 0  # the version that the client has heard of
        self.answer, self.over = None, False
        if self.initial and not server.streaming_lists:
            raise refusals.invalid_options([("sendInitialEvents", NO_STREAMING_LISTS)])
        if self.initial and query.get("resourceVersionMatch") != "NotOlderThan":
            raise refusals.invalid_options([("resourceVersionMatch", NEEDS_MATCH)])

    def run(self):
        store, plural, wanted = self.server.store, self.resource.plural, self.version
        began = time.monotonic()
        if self.initial and wanted is None:
            self.server.wait_for_store(self.connection)
        too_large = self.initial and wanted is not None and wanted > store.version
        if too_large:
            time.sleep(self.server.too_large_seconds)
        self.answer = Answer(self.connection, 200, {**refusals.JSON, **self.server.flow_headers(self.request)})
        self.request.status = 200
        self.server.streams_changed(self, True)
        try:
            if too_large and wanted > store.version:
                return self.refuse(refusals.version_too_large(wanted, store.version))
            if self.initial or not wanted:
                self.send_everything()
            elif wanted < store.oldest(plural):
                return self.refuse(refusals.expired(wanted, store.oldest(plural)))
            else:
                self.told = wanted
            self.answer.flush()
            return self.follow(began)
        finally:
            self.over = True
            self.server.streams_changed(self, False)

    def send_everything(self):
        self.version, entries = self.server.store.list(self.resource.plural)
        for entry in entries:
            if self.selector.matches(entry):
                self.answer.write(line("ADDED", entry.whole(self.resource)))
        if self.bookmarks:
            self.send_bookmark(INITIAL_EVENTS_END)

    def follow(self, began):
        store, plural = self.server.store, self.resource.plural
        end, next_bookmark = began + self.seconds, began + self.server.bookmark_seconds
        last_bookmark = end - LAST_BOOKMARK_SECONDS
        while True:
            for event in store.events_after(plural, self.version):
                self.version = event.version
                if seen := event.seen_by(self.selector):
                    self.server.record.sent(plural, event.version)
                    self.send(seen[0], seen[1].whole(self.resource))
                    self.told = event.version
            while self.commands:
                self.commands.popleft()()
            now = time.monotonic()
            if self.bookmarks and now >= min(next_bookmark, last_bookmark) and self.told < store.version:
                self.send_bookmark()
            if now >= next_bookmark:
                next_bookmark += self.server.bookmark_seconds
            if now >= last_bookmark:
                last_bookmark = end + 1
            self.answer.flush()
            if self.over or now >= end or self.server.drained(now):
                return self.finish()
            if self.connection.left():
                raise Cut("the client has left")
            with store.changed:
                if not self.commands and not store.events_after(plural, self.version):
                    store.changed.wait(max(0.0, min(TICK_SECONDS, end - now, last_bookmark - now)))

    def send(self, kind, content):
        self.answer.write(line(kind, content))

    def send_bookmark(self, annotations=""):
        """Says that all up to the store's version has been sent."""
        self.told = self.version = max(self.version or 0, self.server.store.version)
        one = self.resource
        self.server.record.gave(one.plural, self.told)
        metadata = f'{{"resourceVersion":"{self.told}"{annotations}}}'
        self.send("BOOKMARK", b"{" + one.header() + f'"metadata":{metadata}{one.empty}}}'.encode())

    def refuse(self, status):
        self.send("ERROR", compact(status))
        self.answer.flush()
        self.finish()

    def finish(self):
        self.over = True
        self.answer.finish()

    # --- what other threads may do

    def order(self, command):
        with self.server.store.changed:
            self.commands.append(command)
            self.server.store.changed.notify_all()

    def bookmark(self):
        self.order(self.send_bookmark)

    def end(self):
        """Cleanly, as at timeoutSeconds."""
        self.order(self.finish_soon)

    def finish_soon(self):
        self.over = True

    def expire(self):
        """An ERROR event with 410, then a clean end."""
        self.error(refusals.expired(self.version, self.server.store.version))

    def error(self, status):
        def command():
            self.send("ERROR", compact(status))
            self.over = True
        self.order(command)

    def raw(self, data):
        """Any bytes in the place of a line."""
        self.order(lambda: self.answer.write(data))

    def cut(self, after=0):
        """The connection ends, at once or after so many further bytes."""
        if after:
            self.connection.cut_at = self.connection.sent + after
        else:
            self.connection.close()

    def freeze(self, after=0):
        """Nothing more is sent after so many further bytes, and nothing closed."""
        self.connection.freeze_at = self.connection.sent + after

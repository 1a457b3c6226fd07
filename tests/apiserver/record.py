"""What clients have sent, and what may be said against it."""

import collections
import re
import threading
import time

SELECTORS = {  # resource -> labelSelector, fieldSelector; NODE stands for the node's name
    "services": ("!service.kubernetes.io/service-proxy-name", "spec.clusterIP!=None"),
    "endpointslices": ("!service.kubernetes.io/headless", ""),
    "servicecidrs": ("", ""),
    "nodes": ("", "metadata.name=NODE"),
}
MAY = {
    "services": {"list", "watch"}, "endpointslices": {"list", "watch"}, "servicecidrs": {"list", "watch"},
    "nodes": {"get", "list", "watch"}, "events": {"create", "patch", "update"},
}
ADMIN = "admin"  # is no proxy
USER_AGENT = re.compile(r"kproxy/\S+( .+)?")
SHORTEST_WATCH, LONGEST_WATCH = 300, 600  # seconds


class Record:
    def __init__(self):
        self.lock = threading.Condition()
        self.requests = []
        self.strange = []  # problems that the server itself has seen
        self.given = collections.defaultdict(set)  # resource -> versions that clients have heard of
        self.times_sent = {}  # (resource, version) -> time.monotonic() just before it was first sent

    def add(self, request):
        with self.lock:
            self.requests.append(request)
            self.lock.notify_all()

    def gave(self, resource, version):
        with self.lock:
            self.given[resource].add(version)

    def sent(self, resource, version):
        with self.lock:
            self.given[resource].add(version)
            self.times_sent.setdefault((resource, version), time.monotonic())

    def complain(self, problem):
        with self.lock:
            self.strange.append(problem)

    def matching(self, verb="", resource="", since=0.0):
        with self.lock:
            return [one for one in self.requests if verb in ("", one.verb) and resource in ("", one.resource)
                    and one.time >= since]

    def wait(self, condition, seconds):
        """Until the condition of this record holds; whether it does."""
        end = time.monotonic() + seconds
        with self.lock:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self.lock.wait(min(left, 0.1))
            return True

    def most_in(self, seconds, resource="", since=0.0):
        """The most requests for a resource that ever came within so many seconds."""
        times = [one.time for one in self.matching("", resource, since) if one.user != ADMIN]
        return max((sum(begin <= other < begin + seconds for other in times) for begin in times), default=0)

    def problems(self, node):
        """All that a proxy for that node must not do, or must do otherwise."""
        found = list(self.strange)
        timeouts = []
        for request in self.matching():
            if request.user == ADMIN:
                continue
            found += [f"{request}: {problem}" for problem in complaints(request, node, self.given)]
            if request.verb == "watch" and request.query.get("timeoutSeconds", "").isdigit():
                timeouts.append(int(request.query["timeoutSeconds"]))
        if len(timeouts) >= 4 and len(set(timeouts)) == 1:
            found.append(f"all {len(timeouts)} watches have timeoutSeconds={timeouts[0]}")
        return found


def complaints(request, node, given):
    query, resource = request.query, request.resource
    if request.verb not in MAY.get(resource, ()):
        yield f"{request.verb or request.method} of {resource or request.path} needs a right that the role has not"
        return
    if not USER_AGENT.fullmatch(request.headers.get("user-agent", "")):
        yield f"User-Agent {request.headers.get('user-agent')!r}"
    accept = request.headers.get("accept", "")
    if "application/json" not in accept or "as=" in accept:
        yield f"Accept {accept!r}"
    if request.verb not in ("list", "watch"):
        return
    wanted = tuple(text.replace("NODE", node) for text in SELECTORS[resource])
    have = query.get("labelSelector", ""), query.get("fieldSelector", "")
    if have != wanted:
        yield f"selectors {have}, not {wanted}"
    if request.verb == "list":
        return
    if query.get("allowWatchBookmarks") != "true":
        yield "no bookmarks are allowed"
    seconds = query.get("timeoutSeconds", "")
    if not seconds.isdigit() or not SHORTEST_WATCH <= int(seconds) <= LONGEST_WATCH:
        yield f"timeoutSeconds is {seconds or 'missing'}, not {SHORTEST_WATCH} to {LONGEST_WATCH}"
    version = query.get("resourceVersion", "0")
    if version != "0" and int(version) not in given[resource]:
        yield f"resourceVersion {version} was never heard of"

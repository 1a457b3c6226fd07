"""What clients saw against what the API server said: who was led where, and when that had to end."""

import asyncio
import bisect
import collections
import dataclasses
import pathlib
import time

LATE_SECONDS = 0.1  # after an endpoint was withdrawn, no new connection goes there
LOST_SECONDS = 0.1  # before it: an answer under way when its flow is forgotten does not find its client
SAMPLE_SECONDS = 0.005
ON_THE_WAY_SECONDS = 0.02  # from a datagram's departure until the node has forwarded it


@dataclasses.dataclass
class Story:
    """Of an endpoint: times of the events; infinite: never."""

    application: object
    ready: float
    withdrawn: float
    gone: float


@dataclasses.dataclass(order=True)
class Late:
    """After the removal; of these seconds, kproxy had to wait for a processor so many."""

    seconds: float = 0.0
    waited: float = 0.0

    def __str__(self):
        return f"{1000 * self.seconds:.1f} ms" + (f" ({1000 * self.waited:.0f} ms of them kproxy was kept waiting "
                                                  "for a processor)" if self.waited > 0.01 else "")


class Waits:
    """How long a process's threads had to wait for a processor, over time: the kernel counts that. Where many
    share a machine, it says nothing about the process. Added up, since its threads wait for each other."""

    def __init__(self, pid):
        self.threads, self.times, self.waited = pathlib.Path(f"/proc/{pid}/task"), [], []

    async def sample(self):
        """Until cancelled."""
        while True:
            self.waited.append(sum(int((thread / "schedstat").read_text().split()[1])
                                   for thread in self.threads.iterdir()) / 1e9)
            self.times.append(time.monotonic())
            await asyncio.sleep(SAMPLE_SECONDS)

    def within(self, begin, end):
        first = max(0, bisect.bisect_right(self.times, begin) - 1)
        last = min(len(self.times) - 1, bisect.bisect_left(self.times, end))
        return min(end - begin, self.waited[last] - self.waited[first])


class Judge:
    def __init__(self, applications, times_sent, waits):
        def at(version, otherwise):
            return otherwise if version is None else times_sent["endpointslices", version]

        self.stories, self.by_address = {}, {}
        for one in applications:
            self.by_address[one.address] = one
            for endpoint in one.all:
                self.stories[endpoint.address] = Story(
                    one, at(endpoint.ready, 0.0), *(at(version, float("inf"))
                                                    for version in (endpoint.withdrawn, endpoint.gone)))
        self.problems = collections.Counter()  # kind -> times
        self.examples = {}  # kind -> the first
        self.counts = collections.Counter()
        self.latest = {"connection": Late(), "sticky": Late(), "udp": Late()}
        self.waits = waits
        self.pinned, self.udp = {}, {}
        self.slowest = 0.0

    def bad(self, kind, detail):
        self.problems[kind] += 1
        self.examples.setdefault(kind, detail)

    def read(self, lines):
        """In the order in which load_traffic wrote them."""
        readers = {"connection": self.connection, "sticky": self.sticky, "flow": self.flow, "udp": self.datagrams,
                   "lost": self.lost}
        lines = [line.split() for line in lines]
        # Losses are judged by what came before and after them.
        for words in sorted(lines, key=lambda words: words[0] == "lost"):
            readers[words[0]](words)

    def led(self, kind, frontend, endpoint, begin, end):
        """A packet sent then came to that endpoint; whether it is one of the Service's at all."""
        story = self.stories.get(endpoint)
        if story is None or story.application is not self.by_address[frontend]:
            self.bad(f"{kind}: answered by a stranger", f"{frontend} led to {endpoint}")
            return False
        if end < story.ready:
            self.bad(f"{kind}: led to an endpoint before it was ready", f"{frontend} led to {endpoint}")
        return True

    def in_time(self, kind, removed, sent, words):
        """An endpoint was removed, and a packet sent to it."""
        if sent <= removed:
            return
        late = Late(sent - removed, self.waits.within(removed, sent))
        self.latest[kind] = max(self.latest[kind], late)
        if late.seconds - late.waited > LATE_SECONDS:
            self.bad(f"{kind}: to an endpoint {LATE_SECONDS} s after its removal", f"{late}: {' '.join(words)}")

    def connection(self, words, kind="connection"):
        begin, end, frontend, client, outcome, again = float(words[1]), float(words[2]), *words[3:6], int(words[6])
        self.counts[kind] += 1
        self.slowest = max(self.slowest, end - begin)
        if again:
            self.bad(f"{kind}: segments sent again", " ".join(words))
        if "." not in outcome and ":" not in outcome:
            self.bad(f"{kind}: failed", " ".join(words))
            return None
        if not self.led(kind, frontend, outcome, begin, end):
            return None
        self.in_time(kind, self.stories[outcome].withdrawn, begin, words)
        return begin, end, frontend, client, outcome

    def sticky(self, words):
        seen = self.connection(words, "sticky")
        if seen is None:
            return
        _, end, frontend, client, endpoint = seen
        before = self.pinned.get((frontend, client))
        self.pinned[frontend, client] = endpoint
        if before in (None, endpoint):
            return
        self.counts["clients led elsewhere"] += 1
        if self.stories[before].withdrawn > end:
            self.bad("sticky: led elsewhere though the endpoint was there", f"{before} is left: {' '.join(words)}")

    def flow(self, words):
        frontend, endpoint, outcome, answers = words[3:6] + [int(words[6])]
        self.counts["flows"] += 1
        self.counts["answers in flows"] += answers
        if endpoint in self.stories and self.stories[endpoint].gone < float(words[2]):
            self.counts["flows that outlived their endpoint"] += 1
        if outcome != "ended":
            self.bad("flow: broken", " ".join(words))

    def datagrams(self, words):
        index, begin, end, endpoint, answers = words[1], float(words[2]), float(words[3]), words[4], int(words[5])
        self.counts["datagrams"] += answers
        if "." not in endpoint and ":" not in endpoint:
            self.bad("udp: refused", " ".join(words))
            return
        if endpoint not in self.stories:
            self.bad("udp: answered by a stranger", " ".join(words))
            return
        story, before = self.stories[endpoint], self.udp.setdefault(index, [])
        self.in_time("udp", story.gone, end, words)
        if before:
            self.counts["flows led elsewhere"] += 1
            left = before[-1][2]
            if self.stories[left].gone > begin + ON_THE_WAY_SECONDS:
                self.bad("udp: led elsewhere though the endpoint was there", f"{left} is left: {' '.join(words)}")
            # A new flow goes where a new connection would.
            self.in_time("udp", story.withdrawn, begin, words)
        before.append((begin, end, endpoint))

    def lost(self, words):
        index, time = words[1], float(words[2])
        self.counts["datagrams lost as their flow was forgotten"] += 1
        ends = [self.stories[endpoint].gone for _, _, endpoint in self.udp.get(index, ())]
        if not any(-LOST_SECONDS < time - gone < LATE_SECONDS + self.waits.within(gone, max(gone, time))
                   for gone in ends):
            self.bad("udp: lost", " ".join(words))

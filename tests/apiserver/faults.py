"""What the server may be told to do wrong, and to which requests."""

import dataclasses
import threading


@dataclasses.dataclass
class Fault:
    """Strikes the next `times` requests of this verb and resource (any, where they are not given)."""

    verb: str = ""  # list, watch, get, create
    resource: str = ""
    initial: bool = False  # only a WATCH that begins with a list
    times: int = 1
    delay: float = 0.0  # seconds before the answer begins
    status: int = 0  # refuse with this status: 401, 403, 404, 410, 429, 500, 503, ..
    retry_after: int = 0  # with it
    hang: bool = False  # never answer, nor close
    close: bool = False  # close without an answer
    expired: bool = False  # 410: as a status for a LIST, as an ERROR event for a WATCH
    end: bool = False  # a WATCH ends cleanly as soon as it has said what there is to say
    cut_after: int = -1  # close after so many bytes of the answer, its head included
    freeze_after: int = -1  # fall silent after so many bytes, without closing
    trickle: float = 0.0  # seconds between any two bytes of the answer
    struck: int = 0  # how many it has struck so far

    def concerns(self, request):
        return (self.struck < self.times and self.verb in ("", request.verb)
                and self.resource in ("", request.resource)
                and (not self.initial or request.query.get("sendInitialEvents") == "true"))


class Faults:
    def __init__(self):
        self.lock, self.list = threading.Lock(), []

    def add(self, **fault):
        one = Fault(**fault)
        with self.lock:
            self.list.append(one)
        return one

    def clear(self):
        with self.lock:
            self.list.clear()

    def of(self, request):
        """The first fault that concerns the request, which counts as struck."""
        with self.lock:
            for fault in self.list:
                if fault.concerns(request):
                    fault.struck += 1
                    return fault
        return Fault()

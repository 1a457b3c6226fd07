"""How long the machine's CPUs stood still: where others share them, a second may pass in which nothing here runs."""

import os
import threading
import time

TICK_SECONDS = 0.02


class Stalls:
    """Watches from now to the end of the program: on each CPU a thread wants to run each tick."""

    def __init__(self):
        self.found = []  # (when it was over, seconds), of more than a tick
        for cpu in os.sched_getaffinity(0):
            threading.Thread(target=self._watch, args=(cpu,), daemon=True).start()

    def longest_since(self, began):
        """Seconds; `began` as time.monotonic() gives it."""
        return max((seconds for over, seconds in self.found if over >= began), default=0.0)

    def _watch(self, cpu):
        os.sched_setaffinity(0, {cpu})  # of this thread
        before = time.monotonic()
        while True:
            time.sleep(TICK_SECONDS)
            now = time.monotonic()
            if now - before > 2 * TICK_SECONDS:
                self.found.append((now, now - before - TICK_SECONDS))
            before = now

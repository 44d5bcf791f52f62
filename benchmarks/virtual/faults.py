"""What goes wrong, how often, by seed."""

import heapq
import random
from collections import Counter

MEAN_PARTS = {  # parts between two of a kind, on average
    "trigger half written for one scan": 400,
    "trigger half written for 100 ms": 2_000,
    "trigger skipped": 800,
    "link down 50 … 400 ms": 4_000,
    "PLC restarted": 40_000,
    "belt stops 0.1 … 1 s": 4_000,
    "gate killed between rounds": 20_000,
    "gate killed before a request": 20_000,
    "gate killed after a request": 20_000,
    "gate killed before it sends a row": 5_000,
    "gate killed after it sent a row": 20_000,
    "recorder killed between rounds": 20_000,
    "recorder killed inside a commit": 20_000,
    "recorder killed after a commit": 20_000,
    "recorder stopped 0.5 … 6 s": 30_000,
    "disk fails 0.1 … 3 s": 30_000,
    "engine late": 500,
    "engine names another part": 600,
    "engine echoes another gate": 600,
    "engine answers twice": 600,
    "engine says no verdict": 600,
    "engine scores NaN": 600,
    "engine says OK without a picture": 600,
    "engine sends rubbish": 6_000,
    "engine killed with a question": 4_000,
    "engine hangs, is restarted": 8_000,
    "engine silent 2 s": 30_000,
}
MEAN_REQUESTS = {"request lost": 2_000, "answer lost": 2_000}  # of the gate to the PLC, between two of a kind


class Killed(BaseException):  # as SIGKILL, no handler for errors may stop it
    """A process ends here."""


class Schedule:
    """Which faults come at which part: each kind by its own rate, `hard` times as often as the table says."""

    def __init__(self, seed: int, hard: float, calm: range) -> None:
        self.chance = random.Random(seed)
        self.calm = calm  # parts in which neither gate nor PLC restarts, so that all 16-bit sequences wrap
        self.hard = hard
        self.done: Counter[str] = Counter()
        self.armed: set[str] = set()  # due, waiting for the moment they need
        self._due = [(50 + self._gap(kind), kind) for kind in MEAN_PARTS]
        heapq.heapify(self._due)

    def at(self, part: int) -> None:
        """Part number `part` triggers: arm what is due."""
        while self._due[0][0] <= part:
            kind = self._due[0][1]
            heapq.heapreplace(self._due, (part + self._gap(kind), kind))
            if part not in self.calm or not kind.startswith(("gate killed", "PLC restarted")):
                self.armed.add(kind)

    def take(self, kind: str) -> bool:
        """True when this fault is due here; it is done then."""
        if kind not in self.armed:
            return False
        self.armed.discard(kind)
        self.done[kind] += 1
        return True

    def loses(self, what: str) -> bool:
        """True when this request meets this fault."""
        lost = self.chance.random() * MEAN_REQUESTS[what] < self.hard
        self.done[what] += lost
        return lost

    def span_ns(self, least_s: float, most_s: float) -> int:
        """A random time."""
        return int(self.chance.uniform(least_s, most_s) * 1e9)

    def _gap(self, kind: str) -> int:
        return 1 + int(self.chance.expovariate(self.hard / MEAN_PARTS[kind]))

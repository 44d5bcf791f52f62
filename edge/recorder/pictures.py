"""The thread that compresses and writes pictures, and the account of those that were not kept.

loop  ──put──▶ up to WAITING pictures ──▶ thread: PNG, file, fsync ──take──▶ loop: row in the ledger's picture table
A file is on the disk before its row is; a commit of rows waits for neither.
"""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from vocabulary import Image

WAITING = 32  # as many as the ring has slots or more; of 6 MiB each they fill 200 MB
CLOSE_S = 5.0  # for what still waits when the recorder stops
TELL_S = 60.0  # between two rows of the ledger about pictures that were not kept, and how long the alarm stands
NAMED = 200  # parts that one such row names


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to write."""

    part: int
    image: Image
    sha256: str
    retention: str | None  # None: for the page only
    show: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it."""

    job: Job
    size: int | None  # bytes of the file that is kept; None: no file is
    fault: str | None  # why it is not kept though it should be


class PictureThread:
    """One thread. `fd` can be waited for; it is readable when `take` has something."""

    def __init__(self, write: Callable[[Job], Done]) -> None:
        self._write = write
        self._jobs: queue.Queue[Job | None] = queue.Queue(WAITING)
        self._done: deque[Done] = deque()
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.unfinished: set[str] = set()  # sha256 of what was put and not taken
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """For `select`."""
        return self.fd

    def put(self, job: Job) -> bool:
        """False: too many wait, this one is not taken."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        self.unfinished.add(job.sha256)
        return True

    def take(self) -> list[Done]:
        """Those that are finished."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return []
        found = [self._done.popleft() for _ in range(len(self._done))]
        self.unfinished -= {done.job.sha256 for done in found}
        return found

    def close(self) -> list[Done]:
        """Let it write what waits, for a while."""
        try:
            self._jobs.put(None, timeout=CLOSE_S)
            self._thread.join(CLOSE_S)
        except queue.Full:
            pass  # a disk that hangs: the files are given up
        return self.take()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._done.append(self._write(job))
            os.eventfd_write(self.fd, 1)


class NotKept:
    """Parts whose picture is not kept though it should be, by reason."""

    def __init__(self) -> None:
        self.total = 0
        self._new: dict[str, list[int]] = {}
        self._count = 0
        self._last = -TELL_S
        self._told = -TELL_S

    def add(self, why: str, parts: list[int], count: int | None = None) -> None:
        """These; `count` where there are more than are named."""
        many = len(parts) if count is None else count
        self.total, self._count, self._last = self.total + many, self._count + many, time.monotonic()
        named = self._new.setdefault(why, [])
        named += parts[: NAMED - len(named)]

    @property
    def lately(self) -> bool:
        """One within TELL_S."""
        return time.monotonic() - self._last < TELL_S

    def row(self, *, last: bool = False) -> tuple[int, dict[str, list[int]]] | None:
        """How many, and which parts by reason, since the last row; None: nothing to tell now."""
        if not self._count or (not last and time.monotonic() - self._told < TELL_S):
            return None
        found = self._count, self._new
        self._count, self._new, self._told = 0, {}, time.monotonic()
        return found

"""Starts the real recorder in virtual time, lets it work, spoils its disk, stops and kills it."""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.virtual.faults import Killed, Schedule
from benchmarks.virtual.machine import MS
from edge.recorder.loop import Recorder
from edge.settings import StateFolder
from vocabulary import LedgerError

RECORDER_EVERY = 20 * MS
Row = tuple[str, int | None, int, int, dict[str, Any]]


class Keeper:
    """The recorder, one after another."""

    def __init__(self, state: StateFolder, faults: Schedule) -> None:
        self.state, self.faults = state, faults
        self.recorder: Recorder | None = None
        self.next_ns = self.now = self.bad_until = 0
        self.crashes: Counter[str] = Counter()  # by its own mistake

    def step(self, now: int) -> None:
        """Its turn."""
        self.now, self.next_ns = now, now + RECORDER_EVERY
        try:
            if self.recorder is None:
                self.recorder = Recorder(self.state)
                self.recorder.ledger.append = self._failing(self.recorder.ledger.append)  # type: ignore[method-assign]
            self.recorder.round(0)
            if self.faults.take("recorder killed between rounds"):
                raise Killed
            if self.faults.take("disk fails 0.1 … 3 s"):
                self.bad_until = now + self.faults.span_ns(0.1, 3)
            if self.faults.take("recorder stopped 0.5 … 6 s"):
                self.stop(clean=True)
                self.next_ns = now + self.faults.span_ns(0.5, 6)
        except Killed:
            self.stop(clean=False)
            self.next_ns = now + self.faults.span_ns(0.02, 0.5)
        except Exception as err:
            self.crashes[f"recorder: {err!r}"] += 1
            self.stop(clean=False)

    def _failing(self, append: Callable[..., Any]) -> Callable[..., Any]:
        def appends(rows: Iterable[Row]) -> Any:
            if self.now < self.bad_until:
                raise LedgerError("ledger", "virtual disk error")
            if self.faults.take("recorder killed inside a commit"):
                append(cut_short(rows))
            done = append(rows)
            if self.faults.take("recorder killed after a commit"):
                raise Killed
            return done

        return appends

    def stop(self, *, clean: bool) -> None:
        """By SIGTERM, or by SIGKILL: what was not committed is lost with it."""
        recorder, self.recorder = self.recorder, None
        if recorder is None:
            return
        try:
            if clean:
                recorder.close()
        finally:
            self._let_go(recorder)

    def _let_go(self, recorder: Recorder) -> None:
        """What the kernel does when a process ends."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed already
            recorder.ledger.db.rollback()
        recorder.ledger.db.close()
        recorder.pictures.close()
        for peer in recorder.peers:
            peer.close()
        recorder.listener.sock.close()


def cut_short(rows: Iterable[Row]) -> Iterator[Row]:
    """Dies with the first row written."""
    for row in rows:
        yield row
        break
    raise Killed

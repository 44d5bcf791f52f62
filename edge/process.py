"""What each of the station's processes has in common: stop on a signal, prove progress, write a log."""

import atexit
import contextlib
import fcntl
import itertools
import logging
import mmap
import os
import queue
import signal
import threading
import time
from pathlib import Path
from typing import IO, TextIO, cast

import structlog

from edge.settings import StateFolder
from vocabulary import SettingsError

PROCESSES = ("recorder", "gate", "engine", "web")  # in the order of starting; `uplink` comes with the hub
LOCK_S = 1.0  # how long a process waits for its killed predecessor to be gone
LOG_BYTES = 50_000_000  # then the log becomes NAME.1.jsonl
LOG_LINES = 10_000  # that wait for a slow disk: minutes of the worst gate
LOG_CLOSE_S = 1.0


class Progress:
    """One word of shared memory per process, written by its main loop and read by the supervisor's watchdog.

    `fd` is the supervisor's; without one nobody watches. It is memory and no file: a store into a mapped page of a disk
    waits for the disk when that page is being written back.
    """

    def __init__(self, fd: int | None = None) -> None:
        self.fd = os.memfd_create("jidoka-progress") if fd is None else fd
        os.ftruncate(self.fd, 8 * len(PROCESSES))
        # One aligned 8-byte store per word. struct.pack_into writes byte by byte: a reader sees torn numbers.
        self._words = memoryview(mmap.mmap(self.fd, 8 * len(PROCESSES))).cast("q")

    def mark(self, process: str) -> None:
        """The main loop came round."""
        self._words[PROCESSES.index(process)] = time.monotonic_ns()

    def age_s(self, process: str) -> float:
        """Seconds since the main loop of `process` came round."""
        return (time.monotonic_ns() - self._words[PROCESSES.index(process)]) / 1e9


class Stop:
    """True from the first SIGTERM or SIGINT on; loops finish their round and close cleanly."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def __bool__(self) -> bool:
        return self.asked


def start_log(state: StateFolder, process: str, station: str, epoch: int) -> structlog.typing.FilteringBoundLogger:
    """JSON lines in `logs/<process>.jsonl`, each with process, station, epoch and sequence: a gap is a line lost."""
    path, sequence = state.logs / f"{process}.jsonl", itertools.count(1)

    def numbered(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**line, "sequence": next(sequence)}

    rotate(path)
    structlog.configure(
        processors=[
            numbered,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", LogFile(path))),
    )
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log.bind(process=process, station=station, epoch=epoch)


def only_one(state: StateFolder, process: str) -> IO[bytes]:
    """A lock that two processes of one name and state folder never hold at once. Raises SettingsError."""
    if process not in PROCESSES:
        raise SettingsError(f"process {process!r}", f"one of {', '.join(PROCESSES)}")
    file = (state.run / f"{process}.lock").open("ab")
    until = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError as err:
            if time.monotonic() > until:
                file.close()
                what = f"state folder {state.root}: process {process} runs here already"
                raise SettingsError(what, "stop it, or use another --state") from err
            time.sleep(0.01)  # a killed one lets go within milliseconds


class LogFile:
    """A log that no disk can turn against the process: a thread writes it, and the process never waits for that.

    What a full disk does not take, or a slow one not in time, is counted and left out.
    """

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self._file = path.open("ab", buffering=0)
        self._lines: queue.Queue[str | None] = queue.Queue(LOG_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, text: str) -> None:
        """One line."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self.lost += 1

    def flush(self) -> None:
        """Nobody waits for the disk."""

    def close(self) -> None:
        """The last lines, if the disk takes them soon."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(LOG_CLOSE_S)

    def _write(self) -> None:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # it may be slow, whoever made it
        while (text := self._lines.get()) is not None:
            try:
                self._file.write(text.encode())
            except OSError:
                self.lost += 1


def rotate(path: Path) -> None:
    """Keep one older log; called at start only, so it never costs a part its time."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".1.jsonl"))


def new_epoch() -> int:
    """A number that no earlier start of this process had: 32 random bits, never 0."""
    return int.from_bytes(os.urandom(4), "big") or 1

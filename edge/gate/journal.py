"""Records not on disk yet, in memory that outlives every process of the station: whoever is killed, none is lost.

The memory is a file in /dev/shm that the supervisor opens and every gate inherits; a power cut ends it. Two halves; one
is active, records are appended to it, and the word that says how far is stored last, so that a kill leaves whole
records only. Nothing is waited for. `run/journal` in the state folder names the file: no other ledger gets its records.
"""

import contextlib
import fcntl
import mmap
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from edge.messages import Record

HALF_BYTES = 8 << 20  # about 3,000 records of 2.5 kB; above 500 uncommitted ones nothing is OK any more
KEPT_BYTES = 64 << 10  # what the gate keeps beside its records, twice: one whole while the other is written
WORDS = 4  # active half, end of half 0, end of half 1, kept: which of two << 32 | length
HEADER_BYTES = 8 * WORDS + 2 * KEPT_BYTES
SIZE = HEADER_BYTES + 2 * HALF_BYTES
SHARED = Path("/dev/shm")  # noqa: S108  tmpfs, shm_overview(7)
PREFIX = "jidoka-held-"


def make() -> int:
    """A new descriptor, whose memory ends with the last process that holds it."""
    fd = os.memfd_create("jidoka-held")
    os.ftruncate(fd, SIZE)
    return fd


def take(run: Path) -> int:
    """The journal that the station's last supervisor left here, or a new one. Its name is written to `run/journal`.

    Where /dev/shm has no room it is memory that ends with the supervisor.
    """
    sweep()
    known = run / "journal"
    try:
        return os.open(SHARED / known.read_text(encoding="utf-8"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        pass  # none, or gone with the last boot
    name = PREFIX + secrets.token_hex(8)
    path = SHARED / name
    try:
        fd = held(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.posix_fallocate(fd, 0, SIZE)  # a full tmpfs says so here, not by SIGBUS in a part's time
        os.pwrite(fd, str(known.absolute()).encode(), SIZE)
        known.write_text(name, encoding="utf-8")
    except OSError:
        path.unlink(missing_ok=True)
        return make()
    return fd


def give_up(run: Path) -> None:
    """After a clean stop: what is on disk need not be remembered."""
    known = run / "journal"
    with contextlib.suppress(OSError):
        (SHARED / known.read_text(encoding="utf-8")).unlink()
        known.unlink()


def held(path: Path, flags: int) -> int:
    """An open journal, locked: `sweep` leaves it alone until `run/journal` names it. Raises OSError."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def sweep() -> None:
    """Remove journals of state folders that are gone or have another one."""
    for path in SHARED.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):  # somebody's who runs, or another user's
            fd = held(path, os.O_RDWR)
            known = Path(os.pread(fd, 4096, SIZE).decode())
            if not known.is_file() or known.read_text(encoding="utf-8") != path.name:
                path.unlink()
            os.close(fd)


class Journal:
    """What the gate holds, twice."""

    def __init__(self, fd: int | None) -> None:
        self._map = mmap.mmap(make() if fd is None else fd, SIZE)
        self._words = memoryview(self._map)[: 8 * WORDS].cast("q")
        self._encoder, self._decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Record)
        self.full = False  # the last record found no room: nothing may be OK

    def left_over(self) -> list[Record]:
        """The records of a gate that died."""
        half, found = self._words[0], []
        at, end = self._start(half), self._start(half) + self._words[1 + half]
        while at < end:
            length = int.from_bytes(self._map[at : at + 4], "little")
            found.append(self._decoder.decode(self._map[at + 4 : at + 4 + length]))
            at += 4 + length
        return found

    def add(self, record: Record, held: Iterable[Record]) -> None:
        """Append one; when the half is full, go over to the other with `held`, which are all that still matter."""
        if not self._append(record, self._words[0]):
            self._change_over([*held, record])

    def keep(self, data: bytes) -> bool:
        """Replace what is kept beside the records; False: too long, the old stays."""
        if len(data) > KEPT_BYTES:
            return False
        other = 1 - (self._words[3] >> 32)
        at = 8 * WORDS + other * KEPT_BYTES
        self._map[at : at + len(data)] = data
        self._words[3] = other << 32 | len(data)
        return True

    def kept(self) -> bytes:
        """What a gate before this one kept; empty: nothing yet."""
        at = 8 * WORDS + (self._words[3] >> 32) * KEPT_BYTES
        return self._map[at : at + (self._words[3] & 0xFFFFFFFF)]

    def keep_only(self, records: Iterable[Record]) -> None:
        """What is not on disk yet; all else is forgotten."""
        self._change_over(list(records))

    def clear(self) -> None:
        """Everything is on disk."""
        self._words[1 + self._words[0]] = 0
        self.full = False

    def _change_over(self, records: list[Record]) -> None:
        other = 1 - self._words[0]
        self._words[1 + other] = 0
        self.full = not all(self._append(record, other) for record in records)
        if not self.full:
            self._words[0] = other

    def _append(self, record: Record, half: int) -> bool:
        data = self._encoder.encode(record)
        end = self._words[1 + half]
        if end + 4 + len(data) > HALF_BYTES:
            return False
        at = self._start(half) + end
        self._map[at : at + 4 + len(data)] = len(data).to_bytes(4, "little") + data
        self._words[1 + half] = end + 4 + len(data)
        return True

    def _start(self, half: int) -> int:
        return HEADER_BYTES + half * HALF_BYTES

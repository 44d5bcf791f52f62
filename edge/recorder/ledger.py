"""The ledger: one chained row per part, and further rows that name it. Append only; the recorder is its sole writer.

hash = SHA-256 of (previous hash in hex + the row's canonical JSON, UTF-8). The JSON text that was hashed is what is
stored, so a checker needs no JSON library to verify the chain; the first row's previous hash is 64 zeros.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from vocabulary import LedgerError

GENESIS = "0" * 64
RANGE = 10_000  # part numbers reserved at a time: an hour and more at any line speed we serve
LASTING = ("OFFLINE", "OBSERVE", "AUTO")  # modes without a time
ON_BELT = 512  # parts between camera and the sensor behind the rejecter that a new gate is told of
PRESENTED = 2_048  # parts that a new gate knows again; they fit one message
U32 = 1 << 32  # where the PLC's counters wrap
MOST_HOLES = 2_000  # told to one gate; the others are found at the next start
WINDOW = 4_096  # how many of the last triggers are searched for holes after a restart; above any ring's depth

SCHEMA = """
CREATE TABLE entry (
    entry INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    part INTEGER,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    utc TEXT GENERATED ALWAYS AS (json_extract(body, '$.utc')) VIRTUAL,
    verdict TEXT GENERATED ALWAYS AS (json_extract(body, '$.verdict')) VIRTUAL,
    plc_epoch INTEGER GENERATED ALWAYS AS (json_extract(body, '$.plc.epoch')) VIRTUAL,
    trigger_number INTEGER GENERATED ALWAYS AS (json_extract(body, '$.plc.number')) VIRTUAL,
    UNIQUE (epoch, sequence)
) STRICT;
CREATE UNIQUE INDEX one_row_per_part ON entry (part) WHERE kind = 'part';
CREATE UNIQUE INDEX one_row_per_trigger ON entry (plc_epoch, trigger_number) WHERE kind = 'part';
CREATE INDEX by_verdict ON entry (verdict, entry) WHERE kind = 'part';
CREATE INDEX by_part ON entry (part);
CREATE TABLE reserved (last INTEGER NOT NULL) STRICT;
INSERT INTO reserved VALUES (0);
CREATE TABLE picture (
    sha256 TEXT PRIMARY KEY,
    retention TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    stored_utc TEXT NOT NULL
) STRICT;
"""

TALLY = """
CREATE TABLE tally (what TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
INSERT INTO tally SELECT 'parts ' || verdict, COUNT(*) FROM entry WHERE kind = 'part' GROUP BY verdict;
INSERT INTO tally SELECT 'bytes ' || retention, SUM(bytes) FROM picture GROUP BY retention;
CREATE TRIGGER part_counted AFTER INSERT ON entry WHEN NEW.kind = 'part' BEGIN
    INSERT INTO tally VALUES ('parts ' || json_extract(NEW.body, '$.verdict'), 1)
    ON CONFLICT (what) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER picture_kept AFTER INSERT ON picture BEGIN
    INSERT INTO tally VALUES ('bytes ' || NEW.retention, NEW.bytes) ON CONFLICT (what) DO UPDATE SET n = n + NEW.bytes;
END;
CREATE TRIGGER picture_gone AFTER DELETE ON picture BEGIN
    UPDATE tally SET n = n - OLD.bytes WHERE what = 'bytes ' || OLD.retention;
END;
CREATE TRIGGER picture_moved AFTER UPDATE OF retention ON picture BEGIN
    UPDATE tally SET n = n - OLD.bytes WHERE what = 'bytes ' || OLD.retention;
    INSERT INTO tally VALUES ('bytes ' || NEW.retention, NEW.bytes) ON CONFLICT (what) DO UPDATE SET n = n + NEW.bytes;
END;
CREATE INDEX first_to_go ON picture (retention, stored_utc);
"""  # what grows with the ledger is counted as it comes: a start must not read ten million rows

MIGRATIONS = (  # MIGRATIONS[v] leads from version v to v + 1; none ever touches a hashed row
    SCHEMA,
    "CREATE INDEX confirmations ON entry (entry) WHERE kind = 'confirmation';",
    TALLY,
    "CREATE INDEX events ON entry (entry) WHERE kind = 'event';",
    "CREATE INDEX event_codes ON entry (json_extract(body, '$.code'), json_extract(body, '$.key'), entry)"
    " WHERE kind = 'event';",
)
USER_VERSION = len(MIGRATIONS)


def canonical(body: dict[str, Any]) -> str:
    """Keys sorted, no white space, shortest number form: one text for one content."""
    return msgspec.json.encode(body, order="sorted").decode()


def chain(previous: str, body: str) -> str:
    """The hash of a row."""
    return hashlib.sha256((previous + body).encode()).hexdigest()


def tallied(db: sqlite3.Connection, what: str) -> dict[str, int]:
    """`parts` by verdict, or `bytes` of pictures by retention class."""
    rows = db.execute("SELECT what, n FROM tally WHERE what GLOB ?", (f"{what} *",))
    return {name.removeprefix(f"{what} "): n for name, n in rows}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the ledger's account of the PLC's triggers ends."""

    plc_epoch: int
    number: int
    parts: int
    missing: list[tuple[int, int]]  # (number, parts) without a row, inside the last WINDOW triggers of this PLC epoch
    confirmed: int | None = None  # sequence of this PLC epoch's last confirmation
    presented: list[tuple[int, int, int, str]] = field(default_factory=list)  # part id, first part, attempts, judged
    belt: list[tuple[int, str]] = field(default_factory=list)  # part id, verdict or HOLD: nobody saw them leave yet


@dataclass(frozen=True, slots=True)
class LeftStanding:
    """What holds on after the station was switched off."""

    mode: str | None
    recipe: int | None
    latched: list[dict[str, Any]]


class Ledger:
    """The file, opened for writing. SQLite in WAL with synchronous=FULL: a returned commit survives a power cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.db = sqlite3.connect(path, isolation_level=None, timeout=5)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            (version,) = self.db.execute("PRAGMA user_version").fetchone()
            if version > USER_VERSION:
                raise LedgerError(
                    f"{path}: ledger version {version}, this software writes {USER_VERSION}", "update Jidoka"
                )
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                self.db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
            row = self.db.execute("SELECT entry, hash FROM entry ORDER BY entry DESC LIMIT 1").fetchone()
        except sqlite3.Error as err:
            raise LedgerError(f"{path}: {err}", "restore the ledger from its backup, or free disk space") from err
        self.entries: int = row[0] if row else 0
        self.head: str = row[1] if row else GENESIS

    def append(self, rows: Iterable[tuple[str, int | None, int, int, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Commit rows (kind, part, epoch, sequence, body) in one transaction; those already there are passed over.

        Returns the bodies that are new, as stored. Raises LedgerError and leaves the ledger as it was.
        """
        new: list[dict[str, Any]] = []
        entries, head = self.entries, self.head
        try:
            self.db.execute("BEGIN IMMEDIATE")
            for kind, part, epoch, sequence, body in rows:
                known = self.db.execute("SELECT 1 FROM entry WHERE epoch = ? AND sequence = ?", (epoch, sequence))
                if known.fetchone():
                    continue
                if kind == "part" and self._judged(body):
                    kind = "second_verdict"  # never applied, never lost: the trigger keeps its first row
                full = {**body, "entry": entries + 1, "kind": kind, "part": part, "epoch": epoch, "sequence": sequence}
                text = canonical(full)
                digest = chain(head, text)
                self.db.execute(
                    "INSERT INTO entry (entry, kind, part, epoch, sequence, body, previous, hash)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (entries + 1, kind, part, epoch, sequence, text, head, digest),
                )
                entries, head = entries + 1, digest
                new.append(full)
            self.db.execute("COMMIT")
        except sqlite3.Error as err:
            self._roll_back()
            raise LedgerError(
                f"{self.path}: {err}", "free disk space; parts are NOT_INSPECTED until rows are safe"
            ) from err
        except BaseException:
            self._roll_back()
            raise
        self.entries, self.head = entries, head
        return new

    def _roll_back(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def _judged(self, body: dict[str, Any]) -> bool:
        """The trigger of this body has its part row already."""
        trigger = (body["plc"]["epoch"], body["plc"]["number"])
        found = self.db.execute(
            "SELECT 1 FROM entry WHERE kind = 'part' AND plc_epoch = ? AND trigger_number = ?", trigger
        )
        return found.fetchone() is not None

    def reserve(self) -> tuple[int, int]:
        """A range of part numbers that nobody else ever gets, durable before it is returned. Raises LedgerError."""
        try:
            (last,) = self.db.execute("UPDATE reserved SET last = last + ? RETURNING last", (RANGE,)).fetchone()
        except sqlite3.Error as err:
            raise LedgerError(f"{self.path}: {err}", "free disk space") from err
        return last - RANGE + 1, last

    def standing(self) -> Standing | None:
        """The last trigger that has a row, and the holes before it; without parts, where the first contact began.

        None: no PLC was ever met.
        """
        last = self.db.execute(
            "SELECT plc_epoch FROM entry WHERE kind = 'part' AND plc_epoch IS NOT NULL ORDER BY entry DESC LIMIT 1"
        ).fetchone()
        if last is None:
            met = self.db.execute(
                "SELECT plc_epoch, trigger_number, json_extract(body, '$.plc.parts') FROM entry"
                " WHERE kind = 'event' AND json_extract(body, '$.code') = 'plc_session' ORDER BY entry DESC LIMIT 1"
            ).fetchone()
            return Standing(met[0], met[1], met[2], []) if met else None
        rows = self.db.execute(
            "SELECT trigger_number, json_extract(body, '$.plc.parts') FROM entry"
            " WHERE kind = 'part' AND plc_epoch = ? ORDER BY trigger_number DESC LIMIT ?",
            (last[0], WINDOW),
        ).fetchall()
        have = dict(rows)
        top = max(have)
        first = max(min(have), self._began_anew(last[0]) + 1)
        missing = [(n, (have[top] - (top - n)) % U32) for n in range(first, top) if n not in have][-MOST_HOLES:]
        confirmation = self.db.execute(
            "SELECT plc_epoch, json_extract(body, '$.plc.seq') FROM entry WHERE kind = 'confirmation'"
            " ORDER BY entry DESC LIMIT 1"
        ).fetchone()
        confirmed = confirmation[1] if confirmation and confirmation[0] == last[0] else self._met(last[0])
        return Standing(last[0], top, have[top], missing, confirmed, self._presented(last[0]), self._belt(last[0]))

    def _began_anew(self, plc_epoch: int) -> int:
        """The trigger after which accounting began in this PLC epoch, if it did not go on from the one before."""
        row = self.db.execute(
            "SELECT json_extract(body, '$.plc.number') FROM entry WHERE kind = 'event' AND plc_epoch = ?"
            " AND json_extract(body, '$.code') = 'plc_session' AND json_extract(body, '$.anew')"
            " ORDER BY entry DESC LIMIT 1",
            (plc_epoch,),
        ).fetchone()
        return int(row[0]) if row else 0

    def _met(self, plc_epoch: int) -> int | None:
        """The confirmation from which on those of this PLC epoch are read, where none has a row yet."""
        row = self.db.execute(
            "SELECT json_extract(body, '$.plc.confirmed') FROM entry WHERE kind = 'event' AND plc_epoch = ?"
            " AND json_extract(body, '$.code') = 'plc_session' ORDER BY entry LIMIT 1",
            (plc_epoch,),
        ).fetchone()
        return row[0] if row else None

    def _belt(self, plc_epoch: int) -> list[tuple[int, str]]:
        """Parts behind the newest one that a sensor behind the rejecter has seen, oldest first."""
        confirmed = self.db.execute(
            "SELECT json_extract(body, '$.plc.part_id') FROM entry WHERE kind = 'confirmation' AND plc_epoch = ?"
            " ORDER BY entry DESC LIMIT ?",
            (plc_epoch, ON_BELT),
        )
        gone = {part_id for (part_id,) in confirmed}
        rows = self.db.execute(
            "SELECT json_extract(body, '$.plc.part_id'), verdict, json_extract(body, '$.disposition') FROM entry"
            " WHERE kind = 'part' AND plc_epoch = ? ORDER BY trigger_number DESC LIMIT ?",
            (plc_epoch, ON_BELT),
        )
        belt: list[tuple[int, str]] = []
        for part_id, verdict, disposition in rows:
            if part_id in gone:
                break
            if part_id:
                belt.insert(0, (part_id, "HOLD" if disposition == "HOLD" else verdict))
        return belt

    def _presented(self, plc_epoch: int) -> list[tuple[int, int, int, str]]:
        """The last parts that had an id, oldest first: one that is presented again is known by it."""
        rows = self.db.execute(
            "SELECT json_extract(body, '$.plc.part_id'), COALESCE(json_extract(body, '$.first_attempt'), part),"
            " COALESCE(json_extract(body, '$.attempt'), 1),"
            " COALESCE(json_extract(body, '$.kept'), json_extract(body, '$.judged')) FROM entry"
            " WHERE kind = 'part' AND plc_epoch = ? ORDER BY trigger_number DESC LIMIT ?",
            (plc_epoch, PRESENTED),
        )
        return [row for row in reversed(rows.fetchall()) if row[0]]

    def part(self, number: int) -> dict[str, Any] | None:
        """The body of a part's row; None: no such part."""
        row = self.db.execute("SELECT body FROM entry WHERE kind = 'part' AND part = ?", (number,)).fetchone()
        return msgspec.json.decode(row[0]) if row else None

    def left_standing(self) -> LeftStanding:
        """What people asked for and what nobody acknowledged, however long ago."""
        mode, recipe = None, None
        for body in self._events("command_done"):
            asked = body.get("asked") or {}
            if mode is None and asked.get("what") == "mode" and asked["name"] in LASTING:
                mode = asked["name"]
            elif recipe is None and asked.get("what") == "recipe":
                recipe = int(asked["value"])
            if mode is not None and recipe is not None:
                break
        return LeftStanding(mode, recipe, self._latched())

    def _events(self, code: str) -> Iterator[dict[str, Any]]:
        """Event rows of this code, newest first."""
        found = "SELECT body FROM entry WHERE kind = 'event' AND json_extract(body, '$.code') = ? ORDER BY entry DESC"
        for (text,) in self.db.execute(found, (code,)):
            yield msgspec.json.decode(text)

    def _latched(self) -> list[dict[str, Any]]:
        """The row of each alarm that was raised by a rule and is not gone."""
        last = (
            "SELECT json_extract(body, '$.key'), MAX(entry) FROM entry WHERE kind = 'event'"
            " AND json_extract(body, '$.code') = ? GROUP BY json_extract(body, '$.key')"
        )
        gone = dict(self.db.execute(last, ("alarm_gone",)).fetchall())
        raised = dict(self.db.execute(last, ("alarm_raised",)).fetchall())
        entries = sorted(entry for key, entry in raised.items() if entry > gone.get(key, 0))
        rows = [self.db.execute("SELECT body FROM entry WHERE entry = ?", (entry,)).fetchone() for entry in entries]
        return [body for (text,) in rows if (body := msgspec.json.decode(text)).get("rule")]

    def counts(self) -> dict[str, int]:
        """How many parts have each verdict."""
        return tallied(self.db, "parts")

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go."""
        self.db.close()

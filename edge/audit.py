"""The audit trail: who asked for what, when and why. Chained like the ledger, on disk before anything takes effect."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge.recorder.ledger import GENESIS, canonical, chain
from vocabulary import LedgerError, utc_now

SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    entry INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
"""


class Audit:
    """Table `audit` of `station.sqlite`. Several processes may write: each takes the file for one row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.db = sqlite3.connect(path, isolation_level=None, timeout=5)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            self.db.executescript(SCHEMA)
        except sqlite3.Error as err:
            raise LedgerError(f"{path}: {err}", "make the state folder writable, free disk space") from err

    def append(self, who: str, what: str, **more: Any) -> tuple[int, str]:
        """One row, durable when this returns: number and hash. Raises LedgerError: then nothing may be done either."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            last = self.db.execute("SELECT entry, hash FROM audit ORDER BY entry DESC LIMIT 1").fetchone()
            entry, head = (last[0] + 1, last[1]) if last else (1, GENESIS)
            text = canonical({"entry": entry, "utc": utc_now(), "who": who, "what": what, **more})
            digest = chain(head, text)
            self.db.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", (entry, text, head, digest))
            self.db.execute("COMMIT")
        except sqlite3.Error as err:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise LedgerError(f"{self.path}: {err}", "free disk space or restore the file; nothing was done") from err
        return int(entry), digest

    def rows(self) -> list[dict[str, Any]]:
        """All rows. Raises LedgerError."""
        try:
            found = self.db.execute("SELECT body FROM audit ORDER BY entry").fetchall()
        except sqlite3.Error as err:
            raise LedgerError(f"{self.path}: {err}", "restore it from its backup") from err
        return [json.loads(body) for (body,) in found]

    def verify(self, named: Iterable[tuple[int, str]] = ()) -> dict[str, Any]:
        """Walk the chain. `named`: rows (number, hash) that the ledger knows of. Raises LedgerError: what does not fit.

        Who cuts rows off the end or writes all anew must do so in the ledger too.
        """
        head, count, hashes = GENESIS, 0, {}
        try:
            rows = self.db.execute("SELECT entry, body, previous, hash FROM audit ORDER BY entry").fetchall()
        except sqlite3.Error as err:
            raise LedgerError(f"{self.path}: {err}", "restore it from its backup") from err
        for entry, body, previous, digest in rows:
            if entry != count + 1 or previous != head or chain(head, body) != digest:
                raise LedgerError(f"{self.path}: audit row {count + 1} was altered or is missing", "restore it")
            head, count = digest, entry
            hashes[entry] = digest
        for entry, digest in named:
            if hashes.get(entry) != digest:
                raise LedgerError(f"{self.path}: audit row {entry} is not the one that the ledger names", "restore it")
        return {"entries": count, "head": head}

    def close(self) -> None:
        """Let go."""
        self.db.close()

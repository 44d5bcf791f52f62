"""Reads what the recorder wrote, and never writes: rows of the ledger, pictures of the archive."""

import sqlite3
from contextlib import closing
from typing import Any

import msgspec

from edge.settings import StateFolder
from edge.web.view import row_view
from vocabulary import LedgerError, Verdict


class Reader:
    """The ledger and the pictures of one state folder."""

    def __init__(self, state: StateFolder) -> None:
        self.state = state

    def parts(self, limit: int, verdicts: list[Verdict]) -> list[dict[str, Any]]:
        """The newest parts first, of these verdicts or of all. Raises LedgerError."""
        wanted = verdicts or list(Verdict)
        marks = ", ".join("?" * len(wanted))
        found = self._query(
            f"SELECT body FROM entry WHERE kind = 'part' AND verdict IN ({marks}) ORDER BY entry DESC LIMIT ?",  # noqa: S608
            [*wanted, limit],
        )
        return [row_view(msgspec.json.decode(body)) for (body,) in found]

    def counts(self) -> dict[str, int]:
        """How many parts have each verdict. Raises LedgerError."""
        rows = self._query("SELECT what, n FROM tally WHERE what GLOB 'parts *'", [])
        return {what.removeprefix("parts "): n for what, n in rows}

    def kept(self) -> tuple[int, dict[str, int]]:
        """Rows of the ledger, and bytes of kept pictures by retention class. Raises LedgerError."""
        rows = self._query("SELECT what, n FROM tally WHERE what GLOB 'bytes *'", [])
        ((last,),) = self._query("SELECT MAX(entry) FROM entry", [])
        return last or 0, {what.removeprefix("bytes "): n for what, n in rows}

    def picture(self, sha256: str) -> bytes | None:
        """The PNG of a picture: among the last parts', or kept. `sha256` is 64 hex digits, checked by the caller."""
        for path in (self.state.live / f"{sha256}.png", self.state.pictures / sha256[:2] / f"{sha256}.png"):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                continue
        return None

    def _query(self, statement: str, values: list[Any]) -> list[Any]:
        path = self.state.ledger
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as db:
                return db.execute(statement, values).fetchall()
        except sqlite3.Error as err:
            raise LedgerError(f"{path.name}: {err}", "the recorder writes it: is the station running?") from err

"""Is every kept picture there and unaltered? A command for all of them; a slow walk while the recorder is idle."""

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vocabulary import LedgerError, Verdict, picture_hash

FOLDER_EVERY = 16  # pictures looked at between two folders
SEARCHED = 50_000  # rows: the walk comes round to each folder in 20 minutes, 24,000 parts at 20 a second
LEFTOVER = ".tmp"  # of a writer that was killed


def path_of(folder: Path, sha256: str) -> Path:
    """Where a picture lies if it is kept."""
    return folder / sha256[:2] / f"{sha256}.png"


def fault(folder: Path, sha256: str) -> str | None:
    """picture_missing or picture_altered; None: the pixels are those that the ledger names."""
    try:
        data = path_of(folder, sha256).read_bytes()
    except FileNotFoundError:
        return "picture_missing"
    except OSError:
        return "picture_altered"
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        image = None
    if image is None:
        return "picture_altered"
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image
    return None if picture_hash(np.asarray(pixels, np.uint8)) == sha256 else "picture_altered"


def strays(folder: Path, known: set[str]) -> Iterator[Path]:
    """Files of one two-letter folder that no row knows."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix == LEFTOVER or path.stem not in known:
            yield path


def check_pictures(state: Path) -> dict[str, Any]:
    """All pictures of a state folder; `faults` is empty when all is well. Raises LedgerError."""
    ledger, folder = state / "ledger.sqlite", state / "pictures"
    if not ledger.is_file():
        raise LedgerError(f"{ledger}: no such ledger", "name a station's state folder")
    try:
        db = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
        rows = db.execute("SELECT sha256, retention FROM picture ORDER BY sha256").fetchall()
        db.close()
    except sqlite3.Error as err:
        raise LedgerError(f"{ledger}: {err}", "is this a Jidoka ledger?") from err
    found = [{"sha256": sha256, "fault": what} for sha256, _ in rows if (what := fault(folder, sha256)) is not None]
    known = {sha256 for sha256, _ in rows}
    orphans = [str(path) for one in sorted(folder.glob("??")) for path in strays(one, known)]
    classes: dict[str, int] = {}
    for _, retention in rows:
        classes[retention] = classes.get(retention, 0) + 1
    return {"pictures": len(rows), "classes": classes, "faults": found, "orphans": orphans, "whole": not found}


class Walk:
    """One look at a time, round and round: a picture each, and now and then the strays of the next folder."""

    def __init__(self, folder: Path, db: sqlite3.Connection, unfinished: Collection[str] = ()) -> None:
        self.folder, self.db = folder, db
        self.unfinished = unfinished  # sha256 of pictures that are being written: nobody's strays
        self.bad: dict[str, str] = {}  # sha256 → fault
        self._last, self._steps = "", 0

    def step(self) -> tuple[str, str] | None:
        """Look at the next picture. Returns (sha256, fault) when it is newly found bad. Raises sqlite3.Error."""
        row = self.db.execute(
            "SELECT sha256 FROM picture WHERE sha256 > ? ORDER BY sha256 LIMIT 1", (self._last,)
        ).fetchone()
        if self._steps % FOLDER_EVERY == 0:
            self._adopt(f"{self._steps // FOLDER_EVERY % 256:02x}")
        self._steps += 1
        if row is None:
            self._last = ""
            self._forget()
            return None
        self._last = row[0]
        what = fault(self.folder, self._last)
        known = self.bad.pop(self._last, None)
        if what is None:
            return None
        self.bad[self._last] = what
        return (self._last, what) if known is None else None

    def _forget(self) -> None:
        """Pictures given up since they were found bad are nobody's trouble any more."""
        kept = "SELECT 1 FROM picture WHERE sha256 = ?"
        self.bad = {one: what for one, what in self.bad.items() if self.db.execute(kept, (one,)).fetchone()}

    def _adopt(self, name: str) -> None:
        """Files that a killed recorder left without a row: they get one, so that the budget counts and ends them.

        Its class is that of its part, or the one that is kept longest where no newer row names it.
        """
        rows = self.db.execute("SELECT sha256 FROM picture WHERE sha256 BETWEEN ? AND ?", (name, name + "g"))
        for path in strays(self.folder / name, {sha256 for (sha256,) in rows}):
            if path.name.partition(".")[0] in self.unfinished:
                continue
            if path.suffix == LEFTOVER or fault(self.folder, path.stem) is not None:
                path.unlink(missing_ok=True)
                continue
            self.db.execute(
                "INSERT OR IGNORE INTO picture VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ'))",
                (path.stem, self._class_of(path.stem), path.stat().st_size),
            )

    def _class_of(self, sha256: str) -> str:
        """By the newest rows; a recorder that is killed leaves pictures of the last second."""
        row = self.db.execute(
            "SELECT verdict FROM entry WHERE kind = 'part' AND entry > (SELECT MAX(entry) FROM entry) - ?"
            " AND instr(body, ?) ORDER BY entry DESC LIMIT 1",
            (SEARCHED, sha256),
        ).fetchone()
        if row is None:
            return str(Verdict.NG)
        return "OK_SAMPLE" if row[0] == Verdict.OK else str(row[0])

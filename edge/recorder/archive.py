"""The picture archive: content-addressed PNG files, kept by class, inside a budget and a quota per class."""

import sqlite3
from collections import Counter
from pathlib import Path

import cv2

from edge.atomic import replace
from edge.recorder.disk import Disk
from edge.recorder.ledger import tallied
from edge.recorder.scan import path_of
from edge.settings import PictureSettings
from vocabulary import Image, Verdict, utc_now

LIVE_FILES = 32  # pictures of the last parts for the page
MB = 1_000_000
GIVEN_UP = ("OK_SAMPLE", "NOT_INSPECTED", "RECHECK", "NG")  # in this order when the budget is spent
KEPT = ("HELD", "GOLDEN")  # until a person releases them
COMPRESSION = 1  # zlib level: lossless all the same, three times faster than the default


class Archive:
    """Files `pictures/ab/ab….png` named by vocabulary.picture_hash; the ledger's `picture` table says what is kept."""

    def __init__(self, folder: Path, live: Path, db: sqlite3.Connection, settings: PictureSettings, disk: Disk) -> None:
        self.folder, self.live, self.db, self.settings, self.disk = folder, live, db, settings, disk
        self.failed = 0  # pictures that could not be stored; the inspection goes on
        self._shown: list[Path] = []
        for left_over in live.glob("*"):
            left_over.unlink()

    def keep(self, sha256: str, verdict: str) -> str | None:
        """The retention class of a picture, None when it need not be kept. OK is sampled by its hash: repeatable."""
        if verdict != Verdict.OK:
            return verdict
        return "OK_SAMPLE" if int(sha256[:8], 16) / 2**32 < self.settings.keep_ok_share else None

    def store(self, image: Image, sha256: str, verdict: str, *, show: bool) -> None:
        """Keep a picture if its class asks for it, and lay it out for the page if somebody looks."""
        retention = self.keep(sha256, verdict)
        if retention is None and not show:
            return
        colour = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
        done, encoded = cv2.imencode(".png", colour, [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])
        if not done:
            self.failed += 1
            return
        data = encoded.tobytes()
        if retention is not None and self.disk.low:
            self.failed += 1
        elif retention is not None:
            self._write(data, sha256, retention)
        if show:
            self._show(data, sha256)

    def path(self, sha256: str) -> Path:
        """Where a picture lies if it is kept."""
        return path_of(self.folder, sha256)

    def _write(self, data: bytes, sha256: str, retention: str) -> None:
        path = self.path(sha256)
        try:
            path.parent.mkdir(exist_ok=True)
            replace(path, data)
            self.db.execute(
                "INSERT OR IGNORE INTO picture VALUES (?, ?, ?, ?)", (sha256, retention, len(data), utc_now())
            )
            self._make_room(retention)
        except (OSError, sqlite3.Error):
            self.failed += 1  # a full disk stops pictures first, never the inspection; the count is in the status

    def _make_room(self, retention: str) -> None:
        """First inside the class's quota, then inside the budget."""
        quota_mb = self.settings.quota_mb.get(retention)
        while quota_mb is not None and self.used[retention] > quota_mb * MB and self._drop_oldest(retention):
            pass
        while self.used.total() > self.settings.budget_mb * MB and any(self._drop_oldest(one) for one in GIVEN_UP):
            pass

    @property
    def used(self) -> Counter[str]:
        """Bytes by retention class, as the ledger's file counts them."""
        return Counter(tallied(self.db, "bytes"))

    def _drop_oldest(self, retention: str) -> bool:
        """Make room in one class; False: it is empty."""
        row = self.db.execute(
            "SELECT sha256 FROM picture WHERE retention = ? ORDER BY stored_utc LIMIT 1", (retention,)
        ).fetchone()
        if row is None:
            return False
        self.path(row[0]).unlink(missing_ok=True)
        self.db.execute("DELETE FROM picture WHERE sha256 = ?", (row[0],))
        return True

    def hold(self, pictures: list[str], retention: str) -> int:
        """Put kept pictures into another class: HELD and GOLDEN are never given up. Returns how many there were."""
        marks = ", ".join("?" * len(pictures))
        return self.db.execute(
            f"UPDATE picture SET retention = ? WHERE sha256 IN ({marks})",  # noqa: S608  only question marks
            [retention, *pictures],
        ).rowcount

    def _show(self, data: bytes, sha256: str) -> None:
        path = self.live / f"{sha256}.png"
        try:
            replace(path, data)
        except OSError:
            self.failed += 1
            return
        if path in self._shown:
            self._shown.remove(path)
        self._shown.append(path)
        while len(self._shown) > LIVE_FILES:
            self._shown.pop(0).unlink(missing_ok=True)

"""The picture archive: content-addressed PNG files, kept by class, inside a budget and a quota per class."""

import sqlite3
from collections import Counter
from pathlib import Path

import cv2

from edge.atomic import replace
from edge.recorder.disk import Disk
from edge.recorder.ledger import tallied
from edge.recorder.pictures import Done, Job
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
        self._shown: list[Path] = []
        self._gone: list[Path] = []  # files whose rows are deleted, until that is committed
        for left_over in live.glob("*"):
            left_over.unlink()

    def keep(self, sha256: str, verdict: str) -> str | None:
        """The retention class of a picture, None when it need not be kept. OK is sampled by its hash: repeatable."""
        if verdict != Verdict.OK:
            return verdict
        return "OK_SAMPLE" if int(sha256[:8], 16) / 2**32 < self.settings.keep_ok_share else None

    def wanted(self, part: int, image: Image, sha256: str, verdict: str, *, show: bool) -> Job | None:
        """What is to be written of this picture; None: nothing."""
        retention = self.keep(sha256, verdict)
        return Job(part, image, sha256, retention, show) if show or retention is not None else None

    def write(self, job: Job) -> Done:
        """Compress and write, nothing else: it runs beside the ledger. A kept file is on the disk when it returns."""
        colour = cv2.cvtColor(job.image, cv2.COLOR_RGB2BGR) if job.image.ndim == 3 else job.image
        try:
            data = cv2.imencode(".png", colour, [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])[1].tobytes()
        except cv2.error as err:
            return Done(job, None, f"png: {err.err}")
        size, fault = None, None
        if job.retention is not None and self.disk.low:
            fault = "disk_low"
        elif job.retention is not None:
            path = self.path(job.sha256)
            try:
                path.parent.mkdir(exist_ok=True)
                replace(path, data)
                size = len(data)
            except OSError as err:  # a full disk stops pictures first, never the inspection
                fault = f"disk: {err.strerror}"
        if job.show:
            self._show(data, job.sha256)
        return Done(job, size, fault)

    def enter(self, done: Done) -> None:
        """The row of a file that was written, and room for the next. Raises sqlite3.Error, OSError."""
        retention = done.job.retention
        if retention is None or done.size is None:
            return
        row = (done.job.sha256, retention, done.size, utc_now())
        self.db.execute("INSERT OR IGNORE INTO picture VALUES (?, ?, ?, ?)", row)
        self._make_room(retention)

    def path(self, sha256: str) -> Path:
        """Where a picture lies if it is kept."""
        return path_of(self.folder, sha256)

    def clear(self) -> None:
        """The rows are committed: remove the files that were given up. Raises OSError."""
        while self._gone:
            self._gone.pop().unlink(missing_ok=True)

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
        self.db.execute("DELETE FROM picture WHERE sha256 = ?", (row[0],))
        self._gone.append(self.path(row[0]))
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
            replace(path, data, durable=False)
        except OSError:
            return  # the page says that this picture is not there
        if path in self._shown:
            self._shown.remove(path)
        self._shown.append(path)
        while len(self._shown) > LIVE_FILES:
            self._shown.pop(0).unlink(missing_ok=True)

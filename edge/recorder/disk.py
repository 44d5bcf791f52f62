"""The disk that ledger and pictures share: pictures stop first, then a ballast file buys the ledger time."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

MB = 1_000_000


class Disk:
    """Free space of the state folder, and a file whose deletion lets the ledger go on when the disk is full."""

    def __init__(self, folder: Path, min_free_mb: int, ballast_mb: int) -> None:
        self.folder, self.min_free_mb, self.ballast_mb = folder, min_free_mb, ballast_mb
        self.ballast = folder / "ballast"
        self.refill()

    def free_mb(self) -> int:
        """What is left; 0 when the disk does not even say that."""
        try:
            return shutil.disk_usage(self.folder).free // MB
        except OSError:
            return 0

    @property
    def low(self) -> bool:
        """Below the watermark: no pictures are kept."""
        return self.free_mb() < self.min_free_mb

    def refill(self) -> None:
        """Put the ballast there again if there is room for it beside the watermark."""
        if self.ballast.exists() or self.free_mb() < self.min_free_mb + self.ballast_mb:
            return
        try:
            with self.ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.ballast_mb * MB)
        except OSError as err:
            if err.errno in (errno.EOPNOTSUPP, errno.EINVAL):
                return  # a file system that can't reserve space: the watermark alone must do
            self.release()

    def release(self) -> bool:
        """Give the ballast's room to the ledger. False: there was none any more."""
        had = self.ballast.exists()
        with contextlib.suppress(OSError):
            self.ballast.unlink()
        return had

"""The place before the camera: a folder that always holds the picture of the part that is there now.

Two files, because the vendor's camera emulation goes through a folder's files and reads each at its exposure, but never
reads a single file twice. Files are replaced whole, in a thread, so that the scan keeps its time.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

FILES = ("0.png", "1.png")


class Stage:
    """`show` begins to lay a picture out; `shown` is True once it is there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._worker = ThreadPoolExecutor(1, "stage")
        self._pending: Future[None] | None = None

    def show(self, png: bytes) -> None:
        """Replace what the camera sees."""
        self._pending = self._worker.submit(self._write, png)

    @property
    def shown(self) -> bool:
        """The last picture lies there whole; an error while writing is raised here."""
        if self._pending is None:
            return True
        if not self._pending.done():
            return False
        self._pending.result()
        return True

    def close(self) -> None:
        """Wait for the last picture."""
        self._worker.shutdown()

    def _write(self, png: bytes) -> None:
        for name in FILES:
            temporary = self.folder.parent / f".{self.folder.name}-{name}.tmp"  # outside: no camera must see it
            temporary.write_bytes(png)
            temporary.replace(self.folder / name)

"""The place before the camera: a folder that always holds the picture of the part that is there now.

Two files, because the vendor's camera emulation goes through a folder's files and reads each at its exposure, but never
reads a single file twice. Files are replaced whole, in a thread, so that the scan keeps its time. The next picture is
written beside the folder early; putting it before the camera is then two renames.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

FILES = ("0.png", "1.png")


class Stage:
    """`show` begins to lay a picture out; `shown` is True once it is there. What `prepare` was given no camera sees."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._worker = ThreadPoolExecutor(1, "stage")
        self._pending: Future[None] | None = None
        self._written: bytes | None = None  # lies beside the folder, ready to be shown

    def prepare(self, png: bytes) -> None:
        """This picture will probably be the next to be shown."""
        self._worker.submit(self._write, png)

    def show(self, png: bytes) -> None:
        """Replace what the camera sees."""
        self._pending = self._worker.submit(self._replace, png)

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
        self._written = None
        for name in FILES:
            self._beside(name).write_bytes(png)
        self._written = png

    def _replace(self, png: bytes) -> None:
        if self._written is not png:
            self._write(png)
        self._written = None
        for name in FILES:
            self._beside(name).replace(self.folder / name)

    def _beside(self, name: str) -> Path:
        return self.folder.parent / f".{self.folder.name}-{name}.tmp"  # outside: no camera must see it

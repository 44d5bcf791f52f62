"""The last pictures of each camera in memory, written out when somebody asks or an alarm says so: what led to it?

frames    ▓▓▓▓▓▓▓▓▓▓            the last `frames` of each camera, judged or not, kept or not
dump              ▼             a thread writes them to `recordings/`; the loop goes on
"""

import shutil
import threading
from collections import deque
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from camera_drivers.recording import write
from edge.messages import FrameReady
from edge.settings import RecordingSettings
from vocabulary import Image, InspectionError

Event = tuple[str, str, dict[str, Any]]  # code, text and more of a row


class Recording:
    """The ring, and the dumps."""

    def __init__(self, folder: Path, settings: RecordingSettings) -> None:
        self.folder, self.settings = folder, settings
        self._rings: dict[str, deque[tuple[FrameReady, Image]]] = {}
        self._thread: threading.Thread | None = None
        self._told: deque[Event] = deque()

    def add(self, ready: FrameReady, image: Image) -> None:
        """A picture, which nobody changes any more."""
        if self.settings.frames:
            ring = self._rings.setdefault(ready.picture.camera, deque(maxlen=self.settings.frames))
            ring.append((ready, image))

    def dump(self, name: str, why: str) -> str:
        """Begin to write what is there now as `recordings/NAME`; says what was begun, or why not."""
        if not self.settings.frames:
            return "nothing is recorded: set [recording] frames in station.toml"
        if self._thread is not None and self._thread.is_alive():
            return "a dump is being written already"
        frames = {camera: list(ring) for camera, ring in self._rings.items()}
        if not frames:
            return "no picture has come yet"
        self._thread = threading.Thread(target=self._write, args=(self.folder / name, frames, why), name="recording")
        self._thread.start()
        return ""

    def happened(self) -> list[Event]:
        """What became of dumps since it was asked last."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def close(self) -> None:
        """Wait for what is being written."""
        if self._thread is not None:
            self._thread.join()

    def _write(self, folder: Path, frames: dict[str, list[tuple[FrameReady, Image]]], why: str) -> None:
        try:
            for old in self._oldest():
                shutil.rmtree(old, ignore_errors=True)
            count = sum(
                write(folder / camera, ((known(ready), image) for ready, image in its))
                for camera, its in frames.items()
            )
        except InspectionError as err:
            self._told.append(("recording_failed", f"the last pictures were not written out: {err}", {"why": why}))
            return
        text = f"the last {count} pictures are in {folder.name}"
        self._told.append(("recording_written", text, {"why": why, "folder": folder.name, "pictures": count}))

    def _oldest(self) -> list[Path]:
        """Those that make room for one more."""
        there = sorted(path for path in self.folder.glob("[!.]*") if path.is_dir())
        return there[: max(0, len(there) + 1 - self.settings.keep)]


def known(ready: FrameReady) -> dict[str, Any]:
    """A line of `frames.csv`."""
    its = asdict(ready.picture)
    figures = its.pop("health")
    health = {f"health_{name}": figure for name, figure in figures.items()}
    return {"part": ready.part, "verdict": ready.verdict, **its, **health}

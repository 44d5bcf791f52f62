"""Replays the pictures of a folder: one per software trigger, in sorted order, cycling.

Each file is read at its exposure, so another process may replace it (atomically): that is how a simulated machine puts
a part before the camera, and how recorded pictures are inspected again.
"""

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from camera_drivers.bookkeeping import Book
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, SettingsError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
BUFFERS = 5  # exposures kept until they are fetched; a further one is lost, as on a real camera


class FolderCamera:
    """`folder:PATH`."""

    capabilities = frozenset({Capability.SOFTWARE_TRIGGER})

    def __init__(self, name: str, rest: str) -> None:
        if not rest:
            raise SettingsError(f"camera {name}: uri 'folder:' names no folder", "folder:PATH")
        self.name, self.folder = name, Path(rest)
        self.book = Book()
        self._armed = False
        self._next = 0
        self._exposed: deque[tuple[int, int, Image | DeviceError]] = deque()  # trigger, time, picture

    @property
    def info(self) -> CameraInfo:
        """Nobody built this camera."""
        return CameraInfo(f"folder:{self.folder}", None, None, None, "folder")

    def open(self) -> None:
        """There must be pictures. Raises DeviceLost."""
        self._pictures()
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm; a folder has nothing to set. Raises SettingsError for anything asked."""
        self.stop()
        for name in settings:
            raise SettingsError(f"camera {self.name}: {name}: a folder has no such setting", "remove it")
        self.book.epoch += 1
        return Applied(self.book.epoch, {})

    def start(self) -> None:
        """Arm; armed twice is one session more."""
        self.stop()
        self.book.start()
        self._armed = True

    def stop(self) -> None:
        """Disarm; what was exposed and not fetched is lost."""
        self.book.lose(len(self._exposed))
        self._exposed.clear()
        self._armed = False

    def trigger(self, number: int) -> None:
        """Read the next file now."""
        if not self._armed:
            raise DeviceError(self.name, "triggered while not armed", "call start first")
        pictures = self._pictures()
        path = pictures[self._next % len(pictures)]
        self._next += 1
        self.book.triggers += 1
        exposed_ns = time.monotonic_ns()
        if len(self._exposed) >= BUFFERS:
            self.book.lose()
            return
        try:
            picture: Image | DeviceError = read(path, self.name)
        except DeviceError as err:
            picture = err
        self._exposed.append((number, exposed_ns, picture))

    def next_frame(self, timeout_s: float) -> Lease:
        """The oldest exposure. Raises DeviceTimeout (none; or its file is broken, which is named)."""
        if not self._exposed:
            time.sleep(max(0.0, timeout_s))
            raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
        number, exposed_ns, picture = self._exposed.popleft()
        if isinstance(picture, DeviceError):
            self.book.lose()
            raise picture
        picture.flags.writeable = False
        sequence, lost_before = self.book.frame(complete=True)
        frame = Frame(
            camera=self.name,
            sequence=sequence,
            session=self.book.session,
            device_frame_id=None,
            trigger=number,
            encoder=None,
            exposed_ns=exposed_ns,
            arrived_ns=time.monotonic_ns(),
            device_ns=None,
            clock="host",
            exposure_us=None,
            gain_db=None,
            lost_before=lost_before,
            status="ok",
            pixel_format="Mono8" if picture.ndim == 2 else "RGB8",
            configuration_epoch=self.book.epoch,
            image=picture,
        )
        return Lease(frame)

    def probe(self) -> None:
        """The folder still holds pictures."""
        self._pictures()

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Nothing to let go of."""
        self.stop()

    def _pictures(self) -> list[Path]:
        try:
            found = sorted(path for path in self.folder.iterdir() if path.suffix.lower() in SUFFIXES)
        except OSError as err:
            raise DeviceLost(self.name, f"{self.folder}: {err.strerror}", "name a folder of pictures") from err
        if not found:
            raise DeviceLost(self.name, f"{self.folder}: no pictures", f"put some there: {', '.join(sorted(SUFFIXES))}")
        return found


def read(path: Path, camera: str) -> Image:
    """One file as mono or RGB. Raises DeviceTimeout naming the file: this part has no picture, the next may."""
    remedy = "replace it by an 8-bit grey or colour picture"
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as err:
        raise DeviceTimeout(camera, f"{path}: {err.strerror}", remedy) from err
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except cv2.error as err:  # a header that promises more pixels than the decoder allows
        raise DeviceTimeout(camera, f"{path}: {err.err}", remedy) from err
    if picture is None:
        raise DeviceTimeout(camera, f"{path}: no picture can be read from it", remedy)
    if picture.dtype != np.uint8 or (picture.ndim == 3 and picture.shape[2] not in (3, 4)):
        raise DeviceTimeout(camera, f"{path}: {picture.dtype} with shape {picture.shape}", remedy)
    if picture.ndim == 3:
        code = cv2.COLOR_BGRA2RGB if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB
        picture = cv2.cvtColor(picture, code)
    return np.asarray(picture, np.uint8)


def discover() -> list[CameraInfo]:
    """Folders are named, not found."""
    return []

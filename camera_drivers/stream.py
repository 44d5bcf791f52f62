"""Streams and video files through the FFmpeg inside OpenCV: `rtsp://…`, `rtsps://…` and `video:FILE`.

An IP camera runs free and says nothing about a picture's age: see `live.py`. `rtsps` is encrypted, but the FFmpeg of
OpenCV does not verify the camera's certificate.
"""

import re
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import cv2

from camera_drivers.bookkeeping import Book
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from camera_drivers.drain import retrieve
from camera_drivers.live import BUFFERS, LiveCamera, number
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, SettingsError

OPEN_MS, READ_MS = 3000, 2000  # FFmpeg's limits; a read tries three times (facts/cameras 4: 6.06 s)
FFMPEG = [
    *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS),
    *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS),
    *(cv2.CAP_PROP_N_THREADS, 1),  # every further decoder thread holds one more picture back
]
SECRET = re.compile(r"(?i)(pass\w*|pwd|token|secret)=[^&/;]*?(?=$|[&/;]|_\w+=)")  # some cameras want it in the path


class RtspCamera(LiveCamera):
    """`rtsp://[user:password@]host[:port]/path`, over TCP."""

    scheme = "rtsp"

    def __init__(self, name: str, rest: str) -> None:
        if not re.match(r"//[^/]", rest):
            raise SettingsError(f"camera {name}: uri '{self.scheme}:' names no host", f"{self.scheme}://HOST:PORT/PATH")
        super().__init__(name, CameraInfo(f"{self.scheme}:{without_secrets(rest)}", None, None, None, self.scheme))
        self._uri = f"{self.scheme}:{rest}"  # may hold a password: for FFmpeg alone

    def connect(self) -> cv2.VideoCapture:
        """FFmpeg does not say why it failed. Raises DeviceLost."""
        capture = cv2.VideoCapture(self._uri, cv2.CAP_FFMPEG, FFMPEG)
        if not capture.isOpened():
            what = f"{self.info.uri}: no stream"
            raise DeviceLost(self.name, what, "check cable, address, path, user and password")
        return capture


class RtspsCamera(RtspCamera):
    """`rtsps://…`."""

    scheme = "rtsps"


class VideoCamera:
    """`video:FILE`: the next picture of the file for each trigger; with `loop = 1` it begins again at its end."""

    capabilities = frozenset({Capability.SOFTWARE_TRIGGER})

    def __init__(self, name: str, rest: str) -> None:
        if not rest:
            raise SettingsError(f"camera {name}: uri 'video:' names no file", "video:FILE")
        self.name, self.file = name, Path(rest)
        self.book = Book()
        self._capture: cv2.VideoCapture | None = None
        self._armed = self._loop = False
        self._exposed: deque[tuple[int, int, int, Image]] = deque()  # trigger, exposed, time in the file, picture

    @property
    def info(self) -> CameraInfo:
        """Nobody built this camera."""
        return CameraInfo(f"video:{self.file}", None, None, None, "video")

    def open(self) -> None:
        """Open the file at its first picture. Raises DeviceLost."""
        self.close()
        self._capture = self._rewound()
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm; `loop` is 0 or 1. Raises SettingsError."""
        self.stop()
        for name in settings:
            if name != "loop":
                raise SettingsError(f"camera {self.name}: {name}: a file has no such setting", "only loop")
        loop = number(self.name, "loop", settings, -1.0, 1.0) if "loop" in settings else 0.0
        if loop not in (0.0, 1.0):
            raise SettingsError(f"camera {self.name}: loop: {settings['loop']!r}", "0 or 1")
        self._loop = loop == 1.0
        self.book.epoch += 1
        return Applied(self.book.epoch, {"loop": loop})

    def start(self) -> None:
        """Arm; the file goes on where it was."""
        self._alive()
        self.stop()
        self.book.start()
        self._armed = True

    def stop(self) -> None:
        """Disarm; what was exposed and not fetched is lost."""
        self.book.lose(len(self._exposed))
        self._exposed.clear()
        self._armed = False

    def trigger(self, number: int) -> None:
        """Read the next picture now. Raises DeviceLost at the end of the file, or where it is damaged."""
        capture = self._alive()
        if not self._armed:
            raise DeviceError(self.name, "triggered while not armed", "call start first")
        exposed_ns = time.monotonic_ns()
        if not capture.grab():
            if not self._loop:
                raise DeviceLost(self.name, f"{self.file}: no further picture", "loop = 1 begins again")
            capture.release()
            self._capture = capture = self._rewound()
            if not capture.grab():
                raise DeviceLost(self.name, f"{self.file}: no picture", "name a video file")
        picture = retrieve(capture)
        self.book.triggers += 1
        if picture is None or len(self._exposed) >= BUFFERS:
            self.book.lose()
            return
        picture.flags.writeable = False
        self._exposed.append((number, exposed_ns, int(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6), picture))

    def next_frame(self, timeout_s: float) -> Lease:
        """The oldest exposure. Raises DeviceTimeout."""
        if not self._exposed:
            time.sleep(max(0.0, timeout_s))
            raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
        number, exposed_ns, device_ns, picture = self._exposed.popleft()
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
            device_ns=device_ns,
            clock="host",
            exposure_us=None,
            gain_db=None,
            lost_before=lost_before,
            status="ok",
            pixel_format="RGB8",
            configuration_epoch=self.book.epoch,
            image=picture,
        )
        return Lease(frame)

    def probe(self) -> None:
        """The file is still there. Raises DeviceLost."""
        self._alive()
        if not self.file.is_file():
            raise DeviceLost(self.name, f"{self.file}: no such file", "name a video file")

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Close the file."""
        self.stop()
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _alive(self) -> cv2.VideoCapture:
        if self._capture is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        return self._capture

    def _rewound(self) -> cv2.VideoCapture:
        if not self.file.is_file():  # FFmpeg would take a name like http://… for an address
            raise DeviceLost(self.name, f"{self.file}: no such file", "name a video file")
        capture = cv2.VideoCapture(str(self.file.absolute()), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise DeviceLost(self.name, f"{self.file}: no video that FFmpeg can read", "name a video file")
        return capture


def without_secrets(rest: str) -> str:
    """`//user:password@host/path?query` without the user, the query and whatever calls itself a password."""
    shown = SECRET.sub(r"\1=***", rest.removeprefix("//")).rpartition("@")[2]  # the last @: a password may hold others
    address, _, query = shown.partition("?")
    return f"//{address}" + ("?***" if query else "")


def discover() -> list[CameraInfo]:
    """Streams and files are named, not found."""
    return []

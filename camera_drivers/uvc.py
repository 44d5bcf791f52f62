"""USB cameras (UVC) through OpenCV's V4L2: `uvc:/dev/video0` or `uvc:0`. Written, never run on hardware.

They run free: see `live.py`. Settings are written before the first picture, so `configure` connects again.
"""

from collections.abc import Mapping
from pathlib import Path

import cv2

from camera_drivers.camera import Applied, CameraInfo
from camera_drivers.live import LATENCY_LIMIT_MS, LiveCamera, number
from vocabulary import DeviceLost, SettingsError

FEATURES: dict[
    str, tuple[int, float]
] = {  # our setting → OpenCV's property, units of ours in one of its; in this order
    "width": (cv2.CAP_PROP_FRAME_WIDTH, 1.0),
    "height": (cv2.CAP_PROP_FRAME_HEIGHT, 1.0),
    "fps": (cv2.CAP_PROP_FPS, 1.0),
    "exposure_us": (cv2.CAP_PROP_EXPOSURE, 100.0),  # V4L2_CID_EXPOSURE_ABSOLUTE counts 100 µs (linux camera controls)
}
MANUAL_EXPOSURE = 1.0  # V4L2_EXPOSURE_MANUAL of V4L2_CID_EXPOSURE_AUTO, which OpenCV passes on as it is
LIMIT = {"width": 16384.0, "height": 16384.0, "fps": 1000.0, "exposure_us": 10_000_000.0}  # beyond any UVC camera


class UvcCamera(LiveCamera):
    """`uvc:/dev/videoN` or `uvc:N`."""

    def __init__(self, name: str, rest: str) -> None:
        if rest.isdecimal():
            rest = f"/dev/video{rest}"
        if not rest.startswith("/dev/"):
            raise SettingsError(f"camera {name}: uri 'uvc:{rest}' names no device", "uvc:/dev/video0 or uvc:0")
        super().__init__(name, identity(Path(rest)))
        self.device = Path(rest)
        self._asked: dict[str, float] = {}
        self._refused: list[str] = []
        self._read: dict[str, float | str] = {}

    def connect(self) -> cv2.VideoCapture:
        """Open, write the settings, read them back. Raises DeviceLost."""
        if not self.device.exists():
            raise DeviceLost(self.name, f"{self.device}: no such device", "check the cable; `jidoka camera list`")
        capture = cv2.VideoCapture(str(self.device), cv2.CAP_V4L2)
        if not capture.isOpened():
            what = f"{self.device}: no camera, or another program has it"
            raise DeviceLost(self.name, what, "close other programs; add the user to the group video")
        if "exposure_us" in self._asked:
            capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL_EXPOSURE)
        written = {name: capture.set(FEATURES[name][0], self._asked[name] / FEATURES[name][1]) for name in self._asked}
        self._refused = [name for name, done in written.items() if not done]
        self._read = {name: capture.get(FEATURES[name][0]) * FEATURES[name][1] for name in self._asked}
        return capture

    def open(self) -> None:
        """Connect with the camera's own settings. Raises DeviceLost."""
        self._asked = {}
        super().open()

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm, connect with these settings, read them back. Raises SettingsError, DeviceLost."""
        for name in settings:
            if name not in FEATURES and name != "latency_ms":
                known = ", ".join([*FEATURES, "latency_ms"])
                raise SettingsError(f"camera {self.name}: {name}: unknown setting", f"one of {known}")
        if "latency_ms" in settings:
            number(self.name, "latency_ms", settings, 0.0, LATENCY_LIMIT_MS)
        asked = {name: number(self.name, name, settings, 0.0, LIMIT[name]) for name in FEATURES if name in settings}
        self._alive()
        if asked != self._asked:
            self.close()
            self._asked = asked
            self._connect()
        if self._refused:
            name = self._refused[0]
            raise SettingsError(f"camera {self.name}: {name}: {settings[name]!r}", "the camera refuses it")
        self.stop()
        return self.applied(settings, self._read)


def identity(device: Path) -> CameraInfo:
    """What the kernel says of a video device."""
    try:
        model = Path(f"/sys/class/video4linux/{device.name}/name").read_text().strip()
    except OSError:
        model = None
    return CameraInfo(f"uvc:{device}", None, model, None, "uvc")


def discover() -> list[CameraInfo]:
    """Every /dev/video*; a camera often has a second one that gives no pictures."""
    return [identity(device) for device in sorted(Path("/dev").glob("video[0-9]*"))]

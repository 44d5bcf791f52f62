"""The engine's cameras: opened, configured, re-opened; a frame goes on only if it surely belongs to its trigger."""

import time
from collections.abc import Mapping
from pathlib import Path

from camera_drivers.camera import Camera, Lease
from camera_drivers.drivers import camera as make_camera
from edge.messages import Inspect
from edge.recipe import Line
from edge.settings import CameraSettings
from vocabulary import DeviceError, DeviceTimeout, InspectionError, Reason

BACKOFF_S = (0.2, 0.5, 1, 2, 5)  # between attempts to open a lost camera


class StationCamera:
    """One camera of the station through all its losses. `unmet` is why it can't expose now, None when it can."""

    wired = False

    def __init__(self, settings: CameraSettings, base: Path) -> None:
        self.settings, self.name = settings, settings.name
        self.driver: Camera = make_camera(from_base(settings.uri, base), settings.name)
        self.wanted: Mapping[str, float | str] = settings.settings
        self.unmet: InspectionError | None = DeviceTimeout(self.name, "not opened yet")
        self.failures = 0
        self.starts = 0  # each may have made new SDK threads
        self._next_try = 0.0

    @property
    def why_not(self) -> Reason | None:
        """Why no part can be exposed now; None: it can."""
        return None if self.unmet is None else Reason("camera_not_ready", str(self.unmet))

    def use(self, extra: Mapping[str, float | str], line: Line) -> None:
        """Settings of the active recipe on top of the station's; applied at once if the camera is open."""
        wanted = {**self.settings.settings, **extra}
        if wanted != self.wanted:
            self.wanted = wanted
            self.lost(DeviceTimeout(self.name, "new settings are being applied"))

    def try_open(self) -> None:
        """Open and configure if it is time to; the whole configuration is applied again after every loss."""
        if self.unmet is None or time.monotonic() < self._next_try:
            return
        try:
            self.driver.close()
            self.driver.open()
            self.driver.configure(self.wanted)
            self.driver.start()
        except InspectionError as err:
            self.unmet = err
            self._next_try = time.monotonic() + BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]
            self.failures += 1
            return
        self.unmet, self.failures = None, 0
        self.starts += 1

    def probe(self) -> None:
        """Is the device alive, uncached? A dead one is lost from here on."""
        if self.unmet is None:
            try:
                self.driver.probe()
            except DeviceError as err:
                self.lost(err)

    def expose(self, part: int) -> None:
        """Trigger. Frames that nobody asked for are thrown away before. Raises DeviceError."""
        if self.unmet is not None:
            raise self.unmet
        try:
            self._drain()
            self.driver.trigger(part)
        except DeviceTimeout:
            raise
        except DeviceError as err:
            self.lost(err)
            raise

    def pump(self) -> None:
        """Take in frames that come unasked: none does."""

    def frame(self, request: Inspect, timeout_s: float) -> Lease:
        """The frame of this very part; after any doubt the camera is stopped and started, so no old frame can follow.

        Raises DeviceError: no frame, incomplete, or of another trigger.
        """
        try:
            lease = self.driver.next_frame(timeout_s)
        except DeviceTimeout:
            self._restart()
            raise
        except DeviceError as err:
            self.lost(err)
            raise
        frame = lease.frame
        if frame.trigger != request.part or frame.status != "ok":
            lease.release()
            self._restart()
            why = (
                "incomplete frame"
                if frame.status != "ok"
                else f"frame of trigger {frame.trigger} for part {request.part}"
            )
            raise DeviceTimeout(self.name, why, "check cable, bandwidth and trigger wiring")
        return lease

    def lost(self, why: InspectionError) -> None:
        """Not ready from now on; `try_open` brings it back."""
        self.unmet, self._next_try = why, 0.0

    def close(self) -> None:
        """Let go of the device."""
        self.driver.close()

    def _drain(self) -> None:
        while True:
            try:
                self.driver.next_frame(0.0).release()
            except DeviceTimeout:
                return

    def _restart(self) -> None:
        try:
            self.driver.stop()
            self.driver.start()
            self.starts += 1
        except DeviceError as err:
            self.lost(err)


def from_base(uri: str, base: Path) -> str:
    """A `folder:` or `video:` URI with a relative path means relative to the station file."""
    scheme, _, rest = uri.partition(":")
    path = Path(rest)
    return f"{scheme}:{base / path}" if scheme in ("folder", "video") and rest and not path.is_absolute() else uri

"""The engine's cameras: opened, configured, re-opened; a frame goes on only if it surely belongs to its trigger."""

import time
from collections.abc import Mapping
from pathlib import Path

from camera_drivers.camera import Camera, Frame, Lease
from camera_drivers.drivers import camera as make_camera
from edge.messages import Inspect
from edge.recipe import Line
from edge.settings import CameraSettings
from vocabulary import DeviceError, DeviceTimeout, InspectionError, Reason

ROUNDING = 0.05  # cameras round to their own steps; a value further off was not taken
BACKOFF_S = (0.2, 0.5, 1, 2, 3)  # between attempts to open a lost camera: back within 5 s, opening included


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
        self.epoch = 0  # of the configuration in force
        self._next_try = 0.0

    @property
    def why_not(self) -> Reason | None:
        """Why no part can be exposed now; None: it can."""
        return None if self.unmet is None else Reason("camera_not_ready", str(self.unmet))

    @property
    def drift(self) -> Reason | None:
        """What is on its way to cost parts; None: nothing."""
        return None

    def use(self, extra: Mapping[str, float | str], line: Line) -> None:
        """Settings of the active recipe on top of the station's; an open camera gets them now and stays open."""
        wanted = {**self.settings.settings, **extra}
        if wanted == self.wanted:
            return
        self.wanted, self._next_try = wanted, 0.0
        if self.unmet is None:
            try:
                self._apply()
            except InspectionError as err:
                self.lost(err)

    def try_open(self) -> None:
        """Open and configure if it is time to; the whole configuration is applied again after every loss."""
        if self.unmet is None or time.monotonic() < self._next_try:
            return
        try:
            self.driver.close()
            self.driver.open()
            self._apply()
        except InspectionError as err:
            self.unmet = forgetful(err)
            self._next_try = time.monotonic() + BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]
            self.failures += 1
            return
        self.unmet, self.failures = None, 0

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
        if why := self._wrong(frame, request.part):
            lease.release()
            self._restart()
            raise DeviceTimeout(self.name, why, "check cable, bandwidth and trigger wiring")
        return lease

    def lost(self, why: InspectionError) -> None:
        """Not ready from now on; `try_open` brings it back."""
        self.unmet, self._next_try = forgetful(why), 0.0

    def close(self) -> None:
        """Let go of the device."""
        self.driver.close()

    def _apply(self) -> None:
        """The whole configuration; a frame exposed before it counts for nothing. Raises DeviceError, SettingsError."""
        applied = self.driver.configure(self.wanted)
        for name, asked in self.wanted.items():
            got = applied.values.get(name)
            if isinstance(asked, str) or not isinstance(got, float | int):
                continue
            if abs(got - asked) > ROUNDING * max(1.0, abs(asked)):
                raise DeviceError(self.name, f"{name}: asked {asked:g}, the camera has {got:g}", "a value it takes")
        self.driver.start()
        self.epoch = applied.epoch
        self.starts += 1

    def _wrong(self, frame: Frame, part: int) -> str:
        """Why this frame is not of this part; empty: it is."""
        if frame.status != "ok":
            return "incomplete frame"
        if frame.configuration_epoch != self.epoch:
            return "frame exposed under earlier settings"
        return f"frame of trigger {frame.trigger} for part {part}" if frame.trigger != part else ""

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


def forgetful(err: InspectionError) -> InspectionError:
    """The error without the frames it came through: they hold the SDK's nodes of a device that is destroyed next.

    pypylon 26.9 on its emulation: a node that outlives its device ends the process (segmentation fault).
    """
    err.__cause__ = err.__context__ = None
    return err.with_traceback(None)


def from_base(uri: str, base: Path) -> str:
    """A `folder:` or `video:` URI with a relative path means relative to the station file."""
    scheme, _, rest = uri.partition(":")
    path = Path(rest)
    return f"{scheme}:{base / path}" if scheme in ("folder", "video") and rest and not path.is_absolute() else uri

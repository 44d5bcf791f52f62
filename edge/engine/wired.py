"""A camera that the line itself fires: its frames come unasked; only those that surely belong to a trigger are used."""

from collections.abc import Mapping
from pathlib import Path

from camera_drivers.camera import Frame, Lease
from edge.engine.cameras import StationCamera
from edge.engine.join import AMBIGUOUS, WAIT, Asked, Join, Place, State
from edge.messages import Inspect
from edge.recipe import Line
from edge.settings import CameraSettings
from vocabulary import Clock, DeviceError, DeviceTimeout, Reason, Unsupported

QUIET_NS = 1_000_000_000  # at least so long without frame or trigger, before the section counts as empty


DRIFT = 0.5  # of half the part spacing, the same as `jidoka camera calibrate` accepts


class WiredCamera(StationCamera):
    """`trigger_source` plc_wired, sensor_wired (joined by time) or encoder."""

    wired = True

    def __init__(self, settings: CameraSettings, base: Path, clock: Clock) -> None:
        super().__init__(settings, base)
        self.clock = clock
        self.by_encoder = settings.trigger_source == "encoder"
        self.join: Join[Lease] | None = None
        self._line: Line | None = None

    @property
    def why_not(self) -> Reason | None:
        """Also while parts can't be told apart."""
        if (why := super().why_not) is not None:
            return why
        if self.join is not None:
            self.join.idle(self.clock.now_ns())
        return AMBIGUOUS if self.join is None or self.join.state is State.UNSURE else None

    @property
    def drift(self) -> Reason | None:
        """Exposures that come nearer and nearer to the neighbour's."""
        if self.join is None or self.join.off < DRIFT:
            return None
        text = f"camera {self.name}: exposures lie {self.join.off:.0%} of half a part spacing off their place"
        return Reason("trigger_offset_drifting", text)

    def use(self, extra: Mapping[str, float | str], line: Line) -> None:
        """Another recipe has another spacing, or other settings, for which the camera was stopped and started."""
        before = self.starts
        super().use(extra, line)
        if line != self._line or self.starts != before:
            self._line = line
            self._begin()

    def try_open(self) -> None:
        """After a loss the camera counts its exposures anew."""
        before = self.starts
        super().try_open()
        if self.starts != before:
            self._begin()

    def pump(self, timeout_s: float = 0.0) -> None:
        """Take in what has come; with a timeout wait for one frame. A lost camera is noted, not raised."""
        while self.unmet is None:
            try:
                self._came(self.driver.next_frame(timeout_s))
            except DeviceTimeout:
                return
            except DeviceError as err:
                self.lost(err)
            timeout_s = 0.0

    def expose(self, part: int) -> None:
        """The wire does it. Raises DeviceError while the camera is lost."""
        if self.unmet is not None:
            raise self.unmet

    def frame(self, request: Inspect, timeout_s: float) -> Lease:
        """The frame of this trigger. Raises JoinFailed with the reason, DeviceError."""
        if self.by_encoder and request.encoder is None:
            raise Unsupported(self.name, "the trigger has no encoder count", "latch it in the PLC's trigger ring")
        asked = self._asked(request)
        until_ns = self.clock.now_ns() + int(timeout_s * 1e9)
        self.pump()
        while True:
            if self.unmet is not None or self.join is None:
                raise self.unmet or DeviceTimeout(self.name, "not opened yet")
            found = self.join.take(asked, self.clock.now_ns())
            if isinstance(found, Lease):
                return self._whole(found)
            if isinstance(found, Reason):
                raise JoinFailed(self.name, found)
            assert found is WAIT  # noqa: S101  for the reader
            left_ns = until_ns - self.clock.now_ns()
            if left_ns <= 0:
                raise JoinFailed(self.name, self.join.missing(self.clock.now_ns()))
            self.pump(left_ns / 1e9)

    def _asked(self, request: Inspect) -> Asked:
        if self.by_encoder and request.encoder is not None:
            return Asked(request.plc_epoch, request.trigger, request.encoder, request.encoder)
        return Asked(request.plc_epoch, request.trigger, request.earliest_ns, request.seen_ns)

    def _begin(self) -> None:
        """A new join, unsure until the section was empty; it is made when the first frame tells what it counts."""
        if self.join is not None:
            self.join.reopened(self.clock.now_ns())
        if self._line is None:
            return
        half_counts = (self._line.least_spacing_counts or 0) // 2
        half_ns = int(self._line.exposure_window_ms * 1e6)
        offset_ns = int(self.settings.trigger_offset_ms * 1e6)
        place = (
            Place(self.settings.trigger_offset_counts, half_counts, wraps=True)
            if self.by_encoder
            else Place(offset_ns, half_ns)
        )
        quiet_ns = max(QUIET_NS, offset_ns + 4 * half_ns)
        self.join = Join(place, quiet_ns, self.clock.now_ns(), counted=True, dropped=Lease.release)

    def _came(self, lease: Lease) -> None:
        frame, join = lease.frame, self.join
        if join is None:
            lease.release()
            return
        if frame.configuration_epoch != self.epoch:  # its place in the count is not known either
            lease.release()
            self._begin()
            return
        if (why := unfit(self.name, frame, by_encoder=self.by_encoder)) is not None:
            lease.release()
            self.lost(why)
            return
        counted = frame.device_frame_id is not None
        join.counted = join.counted and counted
        index = frame.device_frame_id if frame.device_frame_id is not None else frame.sequence
        at = frame.encoder if self.by_encoder and frame.encoder is not None else frame.exposed_ns
        join.frame(index, at, lease, self.clock.now_ns())

    def _whole(self, lease: Lease) -> Lease:
        if lease.frame.status == "ok":
            return lease
        lease.release()
        raise DeviceTimeout(self.name, "incomplete frame", "check cable and bandwidth")


def unfit(camera: str, frame: Frame, *, by_encoder: bool) -> DeviceError | None:
    """A camera that can't say where its exposures belong is not used at all."""
    if by_encoder:
        if frame.encoder is None:
            return Unsupported(camera, "its frames have no encoder count", "another trigger_source or camera")
    elif frame.clock == "host" or frame.device_frame_id is None:
        what = "its frames have neither time nor number of the exposure"
        return Unsupported(camera, what, "trigger_source encoder or software, or PTP and frame numbers")
    return None


class JoinFailed(DeviceTimeout):
    """No frame can be said to be this trigger's; `reason` has its own code."""

    def __init__(self, device: str, reason: Reason) -> None:
        super().__init__(device, reason.text)
        self.reason = reason

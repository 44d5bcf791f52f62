"""The camera contract: what every driver must do, and what a frame carries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Literal, Protocol

from vocabulary import Image


class Capability(StrEnum):
    """What a driver declares; tests and settings ask for these, never for a vendor's name."""

    SOFTWARE_TRIGGER = "software_trigger"
    WIRED_TRIGGER = "wired_trigger"
    FREE_RUNNING = "free_running"  # nothing makes it expose: a trigger chooses a picture, by `latency_ms`
    ENCODER = "encoder"
    DEVICE_CLOCK = "device_clock"
    EXPOSURE = "exposure"
    GAIN = "gain"


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure as the camera delivered it. Unknown is None, never 0."""

    camera: str
    sequence: int  # ours, from 1, without gaps inside one session
    session: int  # +1 at every start, so device ids may begin again
    device_frame_id: int | None
    trigger: int | None  # the number given to `trigger()`, None for a frame that nobody asked for
    encoder: int | None  # counts, latched by the trigger edge
    exposed_ns: int  # monotonic; software trigger: just before the command was given
    arrived_ns: int  # monotonic; the whole picture was here
    device_ns: int | None
    clock: Literal["device", "ptp", "host"]  # where the exposure time comes from
    exposure_us: float | None
    gain_db: float | None
    lost_before: int  # frames known to be lost between the previous frame and this one
    status: Literal["ok", "incomplete"]
    pixel_format: str
    configuration_epoch: int  # +1 each time the whole configuration was applied
    image: Image  # (H, W) or (H, W, 3) RGB, read-only, valid until the lease ends


class Lease:
    """The right to read one frame; ends with `release()` or the `with` block, then the driver may reuse its buffer."""

    def __init__(self, frame: Frame, on_release: Callable[[], None] | None = None) -> None:
        self.frame = frame
        self._on_release = on_release

    def release(self) -> None:
        """End the lease; twice is harmless."""
        done, self._on_release = self._on_release, None
        if done is not None:
            done()

    def __enter__(self) -> Frame:
        return self.frame

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Applied:
    """What `configure` read back from the device."""

    epoch: int
    values: Mapping[str, float | str]  # every value as the device now has it
    changed: Mapping[str, str] = field(default_factory=dict)  # asked value → why the device holds another


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """Who the camera is; None where the device does not say."""

    uri: str
    vendor: str | None
    model: str | None
    serial: str | None
    driver: str


@dataclass(frozen=True, slots=True)
class Health:
    """Counters since open; triggers = delivered + incomplete + lost once the camera is idle."""

    triggers: int
    delivered: int
    incomplete: int
    lost: int
    reconnects: int
    last_frame_ns: int | None


class Camera(Protocol):
    """A triggered camera. Life: open → configure → start → (trigger → next_frame)… → stop → close.

    `stop` and `close` twice are harmless and bounded, also after the device died. Vendor errors leave as `DeviceError`.
    """

    name: str
    capabilities: frozenset[Capability]

    @property
    def info(self) -> CameraInfo:
        """Identity; complete after `open`."""

    def open(self) -> None:
        """Connect. Raises DeviceLost (not there), Unsupported (SDK extra missing, impossible device)."""

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm, write all settings, read each back. Raises SettingsError for an unknown name or impossible value."""

    def start(self) -> None:
        """Arm: from here a trigger makes an exposure."""

    def stop(self) -> None:
        """Disarm."""

    def trigger(self, number: int) -> None:
        """Expose once for trigger `number`. Raises DeviceLost, Unsupported (no software trigger)."""

    def next_frame(self, timeout_s: float) -> Lease:
        """The next frame, complete or marked incomplete. Raises DeviceTimeout, DeviceLost."""

    def probe(self) -> None:
        """One uncached read of the living device. Raises DeviceLost."""

    def health(self) -> Health:
        """Counters; never blocks."""

    def close(self) -> None:
        """Let go of the device."""

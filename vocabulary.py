"""The nouns that cross folders and the error tree; standard library and numpy only.

A word stands here when two folders need it. Never a second word for the same thing, never one word with two meanings.
"""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]  # (H, W) mono or (H, W, 3) RGB
ScoreMap = npt.NDArray[np.float32]  # (h, w), same unit as the picture's score; larger is more suspicious


class Verdict(StrEnum):
    """What the station tells the machine about one part. Only OK lets it pass."""

    OK = "OK"
    NG = "NG"
    RECHECK = "RECHECK"  # grey band: a person decides; routed as reject where there is no recheck lane
    NOT_INSPECTED = "NOT_INSPECTED"  # late, lost, failed, unknown: routed as reject, counted apart


SEVERITY = (Verdict.OK, Verdict.RECHECK, Verdict.NG, Verdict.NOT_INSPECTED)  # worst last


def worst(verdicts: list[Verdict]) -> Verdict:
    """The verdict of a part from those of its tools; nothing judged is NOT_INSPECTED, never OK."""
    return max(verdicts, key=SEVERITY.index, default=Verdict.NOT_INSPECTED)


class Mode(StrEnum):
    """Who releases parts. Only AUTO may emit OK; OBSERVE and BYPASS leave the release to the PLC (recorded as HOLD)."""

    OFFLINE = "OFFLINE"
    SETUP = "SETUP"
    OBSERVE = "OBSERVE"
    AUTO = "AUTO"
    BYPASS = "BYPASS"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is what it is: a stable code for machines, words for people."""

    code: str  # snake_case, e.g. "score_above_limit", "engine_late", "picture_dark"
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspected defect on one frame, in pixels of the raw picture."""

    box: tuple[int, int, int, int]  # x, y, width, height
    score: float  # highest score inside the box
    area_px: int


class Clock(Protocol):
    """The one clock of the edge, injected so that a test can own time."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds."""


class MonotonicClock:
    """CLOCK_MONOTONIC: shared by all processes of one machine, never set back."""

    def now_ns(self) -> int:
        """Nanoseconds since some fixed moment of this machine's run."""
        return time.monotonic_ns()


def utc_now() -> str:
    """UTC with milliseconds, for people; order comes from numbers and the monotonic clock."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def picture_hash(image: Image) -> str:
    """SHA-256 (hex) of the raw pixels, row by row, without a header: `sha256(image.tobytes())` anywhere else agrees."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


class InspectionError(Exception):
    """Anything that keeps the station from inspecting; one line that names the thing and the remedy."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what, self.remedy = what, remedy


class SettingsError(InspectionError):
    """Wrong before start: refuse to run; `what` names file and field."""


class DataError(InspectionError):
    """A picture, label or dataset that can't be used; `what` names the file."""


class LedgerError(InspectionError):
    """The ledger can't be written, read or trusted; `what` names the file and row."""


class DeviceError(InspectionError):
    """A camera, PLC or light; carries the device's name."""

    def __init__(self, device: str, what: str, remedy: str = "") -> None:
        super().__init__(f"{device}: {what}", remedy)
        self.device = device


class DeviceLost(DeviceError):
    """Cable, power, process gone: station not ready, keep reconnecting."""


class DeviceTimeout(DeviceError):
    """No frame, no answer: this part is NOT_INSPECTED."""


class Unsupported(DeviceError):
    """The device can't do this: refuse to run."""


class ModelError(InspectionError):
    """Damaged or untrusted package, wrong shape, NaN: keep the previous model."""

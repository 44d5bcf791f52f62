"""What all free-running cameras do alike: their pictures come through a drain thread and answer triggers by age.

A trigger is bound to its picture when that arrives, not when it is fetched: a slow reader gets the picture of its part.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping

import cv2

from camera_drivers.bookkeeping import Book
from camera_drivers.camera import Applied, CameraInfo, Capability, Frame, Health, Lease
from camera_drivers.drain import SILENT_S, Arrival, Drain
from camera_drivers.free_running import FreeRunning
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, Image, SettingsError

BUFFERS = 5  # answers kept until they are fetched; a further one is lost, as on a real camera
LATENCY_LIMIT_MS = 10_000.0  # an older picture inspects nothing


class LiveCamera:
    """A camera that runs free. A subclass says how to connect and who it is.

    One thread uses it, beside its own drain thread; what both touch is under the drain's lock.
    """

    capabilities = frozenset({Capability.FREE_RUNNING})

    def __init__(self, name: str, info: CameraInfo) -> None:
        self.name = name
        self.book = Book()
        self.free = FreeRunning(self.book, name)
        self._info = info
        self._armed = False
        self._drain: Drain | None = None
        self._answers: deque[tuple[int, int, Arrival, Image]] = deque()  # trigger, exposed, arrival, picture

    @property
    def info(self) -> CameraInfo:
        """Identity without any password."""
        return self._info

    def connect(self) -> cv2.VideoCapture:
        """Called on the drain thread. Raises DeviceLost."""
        raise NotImplementedError

    def open(self) -> None:
        """Connect; returns when living pictures come. Raises DeviceLost, also for a hung peer in bounded time."""
        self.close()
        self._connect()
        self.book.opened += 1

    def configure(self, settings: Mapping[str, float | str]) -> Applied:
        """Disarm and take `latency_ms`, the longest time from exposure to arrival. Raises SettingsError, DeviceLost."""
        self._alive()
        self.stop()
        for name in settings:
            if name != "latency_ms":
                raise SettingsError(f"camera {self.name}: {name}: unknown setting", "only latency_ms")
        return self.applied(settings, {})

    def applied(self, settings: Mapping[str, float | str], device: Mapping[str, float | str]) -> Applied:
        """A new configuration: what the device said, and `latency_ms`."""
        values = dict(device)
        latency_ms = None
        if "latency_ms" in settings:
            values["latency_ms"] = latency_ms = number(self.name, "latency_ms", settings, 0.0, LATENCY_LIMIT_MS)
        self.free.latency_ms = latency_ms
        self.book.epoch += 1
        changed = {
            name: f"asked {settings[name]}, the camera has {value}"
            for name, value in values.items()
            if abs(float(value) - float(settings[name])) > 1e-6 * max(1.0, abs(float(value)))
        }
        return Applied(self.book.epoch, values, changed)

    def start(self) -> None:
        """Arm."""
        drain = self._alive()
        self.stop()
        self.book.start()
        with drain.lock:
            drain.on_frame = self._take
        self._armed = True

    def stop(self) -> None:
        """Disarm; triggers without a frame and pictures not fetched are lost."""
        self._armed = False
        if self._drain is not None:
            with self._drain.lock:
                self._drain.on_frame = None
        self.free.end()
        self.book.lose(len(self._answers))
        self._answers.clear()

    def trigger(self, number: int) -> None:
        """Ask for the first picture that is surely younger than now. Raises DeviceLost, Unsupported (no latency_ms)."""
        drain = self._alive()
        if not self._armed:
            raise DeviceError(self.name, "triggered while not armed", "call start first")
        with drain.lock:
            self.free.triggered(number, time.monotonic_ns())

    def next_frame(self, timeout_s: float) -> Lease:
        """The next answer. Raises DeviceTimeout; DeviceLost within SILENT_S of the last arrival."""
        drain = self._open_drain()
        until = time.monotonic() + max(0.0, timeout_s)
        with drain.lock:
            while not self._answers:
                drain.check()
                left_s = until - time.monotonic()
                if left_s <= 0:
                    raise DeviceTimeout(self.name, f"no frame within {timeout_s * 1e3:.0f} ms")
                drain.lock.wait(min(left_s, max(0.0, SILENT_S - drain.silence_s()) + 0.01))
            return self._lease(*self._answers.popleft())

    def probe(self) -> None:
        """A picture arrives. Raises DeviceLost when none does."""
        drain = self._alive()
        with drain.lock:
            before = drain.arrivals
            while drain.arrivals == before:
                drain.check()
                drain.lock.wait(max(0.0, SILENT_S - drain.silence_s()) + 0.01)

    def health(self) -> Health:
        """Counters."""
        return self.book.health()

    def close(self) -> None:
        """Let go, also of a thread that hangs in a dead connection: it ends by itself."""
        self.stop()
        drain, self._drain = self._drain, None
        if drain is not None:
            drain.close()

    def _connect(self) -> None:
        self._drain = Drain(self.name, self.connect)
        try:
            self._drain.open()
        except DeviceLost:
            self.close()
            raise

    def _open_drain(self) -> Drain:
        if self._drain is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        return self._drain

    def _alive(self) -> Drain:
        drain = self._open_drain()
        with drain.lock:
            drain.check()
        return drain

    def _take(self, arrival: Arrival, retrieve: Callable[[], Image | None]) -> None:
        """On the drain thread, under its lock: does this picture answer a trigger? It is as old as its PTS says."""
        answer = self.free.frame(arrival.arrived_ns - arrival.late_ns)
        if answer is None:
            return
        picture = retrieve() if len(self._answers) < BUFFERS else None
        if picture is None:
            self.book.lose()
            return
        picture.flags.writeable = False
        self._answers.append((*answer, arrival, picture))

    def _lease(self, trigger: int, exposed_ns: int, arrival: Arrival, picture: Image) -> Lease:
        sequence, lost_before = self.book.frame(complete=True)
        frame = Frame(
            camera=self.name,
            sequence=sequence,
            session=self.book.session,
            device_frame_id=None,
            trigger=trigger,
            encoder=None,
            exposed_ns=exposed_ns,
            arrived_ns=arrival.arrived_ns,
            device_ns=arrival.pts_ns,
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


def number(camera: str, name: str, settings: Mapping[str, float | str], above: float, limit: float) -> float:
    """A setting as a number in (above, limit]. Raises SettingsError naming it."""
    try:
        value = float(settings[name])
    except ValueError:
        value = math.nan
    if not above < value <= limit:
        raise SettingsError(f"camera {camera}: {name}: {settings[name]!r}", f"more than {above:g}, at most {limit:g}")
    return value

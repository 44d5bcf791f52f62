"""The thread that empties a free-running camera: it reads without pause, so that nothing queues before it.

camera   ▓ ▓ ▓ ▓ ▓ ▓ ▓ ▓      at its own rate, through sockets and decoders that all like to queue
drain    ▓ ▓ ▓ ▓ ▓ ▓ ▓ ▓      every picture is taken at once; one that nobody asked for is forgotten
late_ns  0 0 0 4 3 0 0 0      arrival against the stream's own clock (PTS): how much slower than the fastest of late

OpenCV's read may hang for 6 s in a dead connection (measured, 5.0.0.93), so nobody ever waits for the thread: it is
left behind, and lets go of its connection itself when the read returns. A camera that is opened again has a new one.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from camera_drivers.pixels import to_image
from vocabulary import DeviceLost, Image

SILENT_S = 2.0  # no picture for so long is a lost camera: facts/cameras 7 ("no frame for max(3 periods, 2 s)")
OPEN_S = 10.0  # FFmpeg gives up connecting after 3 s, then it waits for a key frame (ours; 1.2 s measured in all)
CLOSE_S = 1.0  # a healthy read returns after one frame; a hung one is left behind
LIVE_FRAMES = 5  # waited for in a row: what queued while it opened is gone (1 s of pictures, measured)
WAITED_NS = 5_000_000  # a queued picture is there sooner (ours; 720p30 took 3 % of a core in all)
UNKNOWN_NS = 10**18  # so late that it answers nothing
BACKWARD = 30  # pictures: the stream began anew behind our back (ours: a second of video)
WINDOW_NS = 30_000_000_000  # a clock that drifts by 100 ppm (assumed) loses 3 ms in this time


class Clocks:
    """The stream's clock against ours: the fastest picture of the last one or two windows sets the zero."""

    def __init__(self) -> None:
        self.backward = 0  # pictures in a row whose PTS has not risen, though it rose before
        self._last_pts: int | None = None
        self._rises = False
        self._best: int | None = None
        self._before: int | None = None
        self._since = 0

    def late_ns(self, arrived_ns: int, pts_ns: int) -> int | None:
        """How much later than the fastest one this picture arrived.

        None: the stream has no PTS that rises, so nobody knows. UNKNOWN_NS: this picture has none, the others have.
        """
        if self._last_pts is not None and pts_ns <= self._last_pts:
            self.backward += self._rises
            return UNKNOWN_NS if self._rises else None
        self._rises, self._last_pts, self.backward = self._last_pts is not None, pts_ns, 0
        offset = arrived_ns - pts_ns
        if self._best is None or arrived_ns - self._since > WINDOW_NS:
            self._before, self._best, self._since = self._best, offset, arrived_ns
        self._best = min(self._best, offset)
        return offset - min(self._best, self._best if self._before is None else self._before)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One picture that is here; times in monotonic ns."""

    arrived_ns: int
    pts_ns: int | None  # of the stream's own clock, None: unknown
    late_ns: int  # 0 where unknown


class Drain:
    """One thread and one connection, for one life. `lock` guards what `on_frame` and the camera share."""

    def __init__(self, name: str, connect: Callable[[], cv2.VideoCapture]) -> None:
        self.name, self._connect = name, connect
        self.lock = threading.Condition()
        self.on_frame: Callable[[Arrival, Callable[[], Image | None]], None] | None = None  # called under `lock`
        self.arrived_ns: int | None = None
        self.arrivals = 0
        self._live = 0
        self._error: tuple[str, str] | None = None  # what happened, what to do
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"drain {name}", daemon=True)

    def open(self) -> None:
        """Connect and wait until pictures come as they are made. Raises DeviceLost, within OPEN_S."""
        self._thread.start()
        with self.lock:
            self.lock.wait_for(lambda: self._error is not None or self._live >= LIVE_FRAMES, OPEN_S)
            if self._live < LIVE_FRAMES and self._error is None:
                self._error = (f"no living stream within {OPEN_S:.0f} s", "check the camera")
            self._raise()

    def check(self) -> None:
        """With `lock`. Raises DeviceLost: it ended, or nothing arrived for SILENT_S; once lost, always lost."""
        if self._error is None and self.silence_s() > SILENT_S:
            self._error = (f"no picture for {SILENT_S:.0f} s", "check cable and power; the stream is opened again")
        self._raise()

    def silence_s(self) -> float:
        """Since the last arrival."""
        return 0.0 if self.arrived_ns is None else (time.monotonic_ns() - self.arrived_ns) / 1e9

    def close(self) -> None:
        """Tell the thread to go, and wait for it no longer than CLOSE_S."""
        with self.lock:
            self._stopping, self.on_frame = True, None
            self._error = self._error or ("is closed", "open it first")
            self.lock.notify_all()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S)

    def _raise(self) -> None:
        if self._error is not None:
            raise DeviceLost(self.name, *self._error)

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────
    def _run(self) -> None:
        capture = None
        try:
            capture = self._connect()
            self._drain(capture)
        except DeviceLost as err:
            self._end(err.what.removeprefix(f"{self.name}: "), err.remedy)
        except cv2.error as err:
            self._end(f"OpenCV: {err.err}", "check the camera")
        finally:
            if capture is not None:
                capture.release()

    def _drain(self, capture: cv2.VideoCapture) -> None:
        clocks = Clocks()
        while not self._stopping:
            asked_ns = time.monotonic_ns()
            if not capture.grab():
                raise DeviceLost(self.name, "the stream ended", "check cable and power; the stream is opened again")
            now_ns = time.monotonic_ns()
            pts_ns = int(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            late_ns = clocks.late_ns(now_ns, pts_ns)
            if clocks.backward > BACKWARD:
                raise DeviceLost(self.name, "the stream's clock went back", "the stream is opened again")
            with self.lock:
                if self._error is not None:  # declared lost: what still comes is too old for anybody
                    return
                self.arrived_ns, self.arrivals = now_ns, self.arrivals + 1
                if self._live < LIVE_FRAMES:
                    self._live = self._live + 1 if now_ns - asked_ns > WAITED_NS else 0
                if self.on_frame is not None:
                    known = late_ns is not None and late_ns != UNKNOWN_NS
                    arrival = Arrival(now_ns, pts_ns if known else None, late_ns or 0)
                    self.on_frame(arrival, lambda: retrieve(capture))
                self.lock.notify_all()

    def _end(self, what: str, remedy: str) -> None:
        with self.lock:
            self._error = self._error or (what, remedy)
            self.lock.notify_all()


def retrieve(capture: cv2.VideoCapture) -> Image | None:
    """The grabbed picture as RGB in memory of its own; None: it can't be decoded."""
    done, picture = capture.retrieve()
    if not done or picture is None or picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        return None
    height, width = picture.shape[:2]
    return to_image(np.ascontiguousarray(picture, np.uint8).reshape(-1), "BGR8", width, height)

"""The drain thread: reads that hang, pictures that queued, clocks that can't be believed."""

import threading
import time

import pytest

from camera_drivers.camera import CameraInfo
from camera_drivers.drain import UNKNOWN_NS, WINDOW_NS, Clocks
from camera_drivers.live import LiveCamera
from tests.camera_drivers.contract import SOON_S
from vocabulary import DeviceLost

LONG_S = 60.0  # never waited for: the loss comes first
QUEUED = 300


def test_a_read_that_never_returns_keeps_neither_the_caller_nor_the_next_connection() -> None:
    hang = threading.Event()
    camera = HungCamera(hang)
    for _ in range(2):
        camera.open()
        camera.configure({"latency_ms": 1.0})
        camera.start()
        camera.trigger(1)
        with pytest.raises(DeviceLost, match="hung"):
            camera.next_frame(LONG_S)
        camera.close()
        camera.close()
    left = [thread for thread in threading.enumerate() if thread.name == "drain hung"]
    assert len(left) == 2
    hang.set()
    for thread in left:
        thread.join(SOON_S)
    assert [capture.released for capture in camera.captures] == [True, True]


def test_opening_ends_when_what_was_queued_is_gone() -> None:
    hang = threading.Event()
    hang.set()
    camera = HungCamera(hang, queued=QUEUED)
    camera.open()
    assert camera.captures[0].reads > QUEUED
    camera.close()


def test_lateness_is_counted_from_the_fastest_picture_and_follows_a_drifting_clock() -> None:
    clocks = Clocks()
    assert [clocks.late_ns(at, pts) for at, pts in ((500, 0), (590, 100), (800, 200), (790, 300))] == [0, 0, 110, 0]
    assert clocks.late_ns(WINDOW_NS + 1_000, WINDOW_NS) == 510
    assert clocks.late_ns(2 * WINDOW_NS + 2_000, 2 * WINDOW_NS) == 1_000
    assert clocks.late_ns(2 * WINDOW_NS + 2_100, 2 * WINDOW_NS + 100) == 1_000


def test_a_clock_that_never_rises_says_nothing_and_one_that_goes_back_is_not_believed() -> None:
    clocks = Clocks()
    assert [clocks.late_ns(at, 0) for at in (1, 2, 3)][1:] == [None, None]
    clocks = Clocks()
    assert [clocks.late_ns(at, pts) for at, pts in ((1, 1), (2, 2), (3, 1), (4, 4))] == [0, 0, UNKNOWN_NS, 0]


class HungCamera(LiveCamera):
    """Its reads give what was queued at once, then a few pictures; then they hang until `hang` is set."""

    def __init__(self, hang: threading.Event, queued: int = 0) -> None:
        super().__init__("hung", CameraInfo("test:", None, None, None, "test"))
        self.hang, self.queued = hang, queued
        self.captures: list[HungCapture] = []

    def connect(self) -> "HungCapture":  # type: ignore[override]  # what the thread uses of a capture
        self.captures.append(HungCapture(self))
        return self.captures[-1]


class HungCapture:
    def __init__(self, camera: HungCamera) -> None:
        self.camera, self.reads, self.released = camera, 0, False

    def grab(self) -> bool:
        self.reads += 1
        time.sleep(0.02 if self.reads > self.camera.queued else 0.0005)
        if self.reads > self.camera.queued + 6:
            self.camera.hang.wait()
        return True

    def get(self, _what: int) -> float:
        return self.reads * 20.0

    def retrieve(self) -> tuple[bool, None]:
        return False, None

    def release(self) -> None:
        self.released = True

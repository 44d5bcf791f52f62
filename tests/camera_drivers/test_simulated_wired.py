"""The camera on a wire: an edge is an exposure, whatever comes down the wire."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_drivers.simulated_wired import WiredCamera
from tests.camera_drivers.contract import SOON_S, accounted
from vocabulary import DeviceLost, DeviceTimeout, SettingsError, Unsupported


class Bench:
    """A camera, its wire, its stage."""

    def __init__(self, folder: Path, query: str = "") -> None:
        self.stage, self.path = folder / "stage", folder / "wire"
        self.stage.mkdir()
        self.show(10)
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.camera = WiredCamera("top", f"{self.path}?stage={self.stage}{query}")

    def arm(self) -> "Bench":
        self.camera.open()
        self.camera.configure({})
        self.camera.start()
        return self

    def show(self, grey: int) -> None:
        cv2.imwrite(str(self.stage / "0.png"), np.full((8, 8), grey, np.uint8))

    def fire(self, encoder: int = 0, **more: float) -> None:
        edge = {"encoder": encoder, "ns": time.monotonic_ns(), **more}
        self.wire.sendto(json.dumps(edge).encode(), str(self.path))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    its = Bench(tmp_path)
    yield its
    its.camera.close()
    its.wire.close()


def test_each_edge_is_an_exposure_with_its_place_number_and_picture(bench: Bench) -> None:
    bench.arm()
    for k in (1, 2, 3):
        bench.show(10 * k)
        bench.fire(encoder=1000 * k)
        with bench.camera.next_frame(SOON_S) as frame:
            assert (frame.encoder, frame.device_frame_id, frame.trigger) == (1000 * k, k, None)
            assert frame.clock == "ptp"
            assert frame.exposed_ns <= frame.arrived_ns
            assert int(frame.image[0, 0]) == 10 * k
            assert not frame.image.flags.writeable
    assert accounted(bench.camera)


def test_a_lost_exposure_is_counted_and_leaves_its_number_out(bench: Bench) -> None:
    bench.arm()
    bench.fire(1)
    bench.fire(2, deliver=False)
    bench.fire(3)
    with bench.camera.next_frame(SOON_S) as frame:
        assert frame.device_frame_id == 1
    with bench.camera.next_frame(SOON_S) as frame:
        assert (frame.device_frame_id, frame.lost_before) == (3, 1)
    assert accounted(bench.camera)


def test_a_picture_that_comes_late_keeps_its_number_and_is_counted_once(bench: Bench) -> None:
    bench.arm()
    bench.fire(1, late_ms=300)
    bench.fire(2)
    numbers = []
    for _ in range(2):
        with bench.camera.next_frame(SOON_S) as frame:
            numbers.append((frame.device_frame_id, frame.encoder))
    assert numbers == [(2, 2), (1, 1)]
    health = bench.camera.health()
    assert (health.triggers, health.delivered, health.lost) == (2, 2, 0)


def test_garbage_on_the_wire_is_no_edge(bench: Bench) -> None:
    bench.arm()
    for garbage in (b"", b"\xff\xfe", b"[1, 2]", b"{}", b'{"ns": "soon", "encoder": 1}', b'{"ns": 1}'):
        bench.wire.sendto(garbage, str(bench.path))
    bench.fire(7)
    with bench.camera.next_frame(SOON_S) as frame:
        assert (frame.encoder, frame.device_frame_id) == (7, 1)
    with pytest.raises(DeviceTimeout):
        bench.camera.next_frame(0.0)


def test_a_broken_picture_is_a_lost_frame_and_the_next_one_comes(bench: Bench) -> None:
    bench.arm()
    (bench.stage / "0.png").write_bytes(b"no picture")
    bench.fire(1)
    with pytest.raises(DeviceTimeout, match=r"0\.png"):
        bench.camera.next_frame(SOON_S)
    bench.show(50)
    bench.fire(2)
    with bench.camera.next_frame(SOON_S) as frame:
        assert frame.device_frame_id == 2
    assert accounted(bench.camera)


def test_it_exposes_only_while_armed_and_counts_anew_after_each_start(bench: Bench) -> None:
    bench.arm()
    bench.fire(1)
    with bench.camera.next_frame(SOON_S):
        pass
    bench.camera.stop()
    bench.fire(2)
    with pytest.raises(DeviceTimeout):
        bench.camera.next_frame(0.2)
    bench.camera.start()
    bench.fire(3)
    with bench.camera.next_frame(SOON_S) as frame:
        assert (frame.device_frame_id, frame.encoder, frame.session) == (1, 3, 2)


def test_a_camera_that_does_not_number_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "&numbers=0").arm()
    bench.fire(1)
    with bench.camera.next_frame(SOON_S) as frame:
        assert frame.device_frame_id is None
    bench.camera.close()
    bench.wire.close()


def test_what_it_can_not_do_is_refused_with_a_remedy(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(DeviceLost, match="open it first"):
        bench.camera.next_frame(0.0)
    bench.arm()
    with pytest.raises(Unsupported, match="trigger_source"):
        bench.camera.trigger(1)
    with pytest.raises(SettingsError, match="exposure_us"):
        bench.camera.configure({"exposure_us": 1.0})
    for rest in ("", "wire", "?stage=x", "wire?stage=", "wire?stage=x&speed=1"):
        with pytest.raises(SettingsError, match="simwire:SOCKET"):
            WiredCamera("top", rest)
    with pytest.raises(DeviceLost, match="name a socket"):
        WiredCamera("top", f"{tmp_path / 'no' / 'folder'}?stage=x").open()

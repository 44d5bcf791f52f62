"""The GigE Vision driver on a camera of another stack than Aravis' own: losses are injected packet by packet."""

import signal
import time
from collections.abc import Iterator

import pytest

from camera_drivers.gige import GigeCamera
from tests.camera_drivers.contract import SOON_S, CameraContract, Make, Settings, accounted, grab
from tests.camera_drivers.viva_peer import VivaCamera, missing, viva_camera
from vocabulary import DeviceLost, DeviceTimeout

WHY_NOT = missing()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture(scope="module")
def wire() -> Iterator[VivaCamera]:
    with viva_camera(11) as camera:
        yield camera


@pytest.fixture
def fake(wire: VivaCamera) -> VivaCamera:
    """Running and whole, whatever the test before did to it."""
    wire.start()
    return wire


@pytest.fixture
def good() -> Settings:
    return {"exposure_us": 2000.0, "pixel_format": "Mono8", "packet_size": 1500, "trigger_source": "software"}


@pytest.fixture
def opened(fake: VivaCamera, good: Settings) -> Iterator[GigeCamera]:
    camera = GigeCamera("top", fake.address)
    try:
        camera.open()
        camera.configure(good)
        camera.start()
        yield camera
    finally:
        camera.close()


class TestIndependentCamera(CameraContract):
    @pytest.fixture
    def make(self, fake: VivaCamera) -> Make:
        return lambda: GigeCamera("top", fake.address)

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [("exposure_us", -1.0), ("pixel_format", "Mono7"), ("trigger_source", "line99"), ("nonsense", 1.0)]


def test_dropped_packets_are_asked_for_again_and_come(fake: VivaCamera, good: Settings) -> None:
    fake.start(drop_packets=[[2, 5], [2, 6], [4, 20]])
    camera = GigeCamera("top", fake.address)
    try:
        camera.open()
        camera.configure({**good, "packet_resend": "on"})
        camera.start()
        for number in range(1, 7):
            grab(camera, number)
        assert fake.ask("truth")["triggers"] == 6
        assert camera.health().incomplete == camera.health().lost == 0
    finally:
        camera.close()


def test_what_was_dropped_is_counted_exactly(fake: VivaCamera, good: Settings) -> None:
    """Blocks 3 and 7 lose a packet for good: their parts have no picture, and no other part has theirs."""
    fake.start(packet_resend=False, drop_packets=[[3, 5], [7, 9]])
    camera = GigeCamera("top", fake.address)
    whole, broken = [], []
    try:
        camera.open()
        camera.configure({**good, "packet_resend": "off"})
        camera.start()
        for number in range(1, 11):
            camera.trigger(number)
            try:
                with camera.next_frame(SOON_S) as frame:
                    assert frame.trigger == number
                    (whole if frame.status == "ok" else broken).append(number)
            except DeviceTimeout:
                broken.append(number)
        camera.stop()
        assert (whole, broken) == ([1, 2, 4, 5, 6, 8, 9, 10], [3, 7])
        health = camera.health()
        assert (health.triggers, health.delivered, health.incomplete + health.lost) == (10, 8, 2)
    finally:
        camera.close()


def test_stolen_control_is_a_lost_camera_and_is_taken_back(
    opened: GigeCamera, fake: VivaCamera, good: Settings
) -> None:
    grab(opened, 1)
    fake.ask("revoke")
    with pytest.raises(DeviceLost):
        opened.probe()
    opened.close()
    opened.open()
    assert {name: opened.configure(good).values[name] for name in good} == dict(good)
    opened.start()
    grab(opened, 2)
    assert accounted(opened)


def test_each_software_trigger_reached_the_camera_once(opened: GigeCamera, fake: VivaCamera) -> None:
    before = fake.ask("truth")["triggers"]
    for number in range(1, 21):
        grab(opened, number)
    assert fake.ask("truth")["triggers"] - before == 20


def test_a_stopped_camera_goes_on_and_a_killed_one_comes_back(
    opened: GigeCamera, fake: VivaCamera, good: Settings
) -> None:
    grab(opened, 1)
    fake.signal(signal.SIGSTOP)
    try:
        time.sleep(1.5)
    finally:
        fake.signal(signal.SIGCONT)
    opened.probe()
    grab(opened, 2)
    fake.signal(signal.SIGKILL)
    with pytest.raises(DeviceLost):
        opened.probe()
    opened.close()
    fake.start()
    for _ in range(30):
        try:
            opened.open()
            break
        except DeviceLost:
            time.sleep(0.5)
    opened.configure(good)
    opened.start()
    grab(opened, 3)
    assert accounted(opened)

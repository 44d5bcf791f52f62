"""GenTL through the producer `viky.cti`, which lies in the genicam wheel: three devices that run free."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import genicam
import pytest

from camera_drivers import gentl
from camera_drivers.camera import Camera, Capability
from camera_drivers.drivers import discover, probe
from camera_drivers.drivers import grab as grab_files
from camera_drivers.gentl import PATH, GentlCamera
from tests.camera_drivers.contract import SOON_S, CameraContract, Make, MissingCameraContract, Settings, accounted, grab
from vocabulary import DeviceLost, DeviceTimeout, SettingsError, Unsupported

CTI = Path(genicam.__file__).with_name("viky.cti")
GOOD: Settings = {"latency_ms": 60.0, "pixel_format": "Mono8", "width": 320.0, "height": 200.0, "frame_rate": 200.0}


MADE: list[GentlCamera] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """A test that fails leaves no camera open."""
    yield
    while MADE:
        MADE.pop().close()


def viky(serial: str) -> GentlCamera:
    MADE.append(GentlCamera("top", f"{CTI}#{serial}"))
    return MADE[-1]


def started(serial: str, settings: Settings = GOOD) -> GentlCamera:
    camera = viky(serial)
    camera.open()
    camera.configure(settings)
    camera.start()
    return camera


class TestGentlCamera(CameraContract):
    @pytest.fixture
    def make(self) -> Make:
        return lambda: viky("1")

    @pytest.fixture
    def good(self) -> Settings:
        return GOOD

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [
            ("exposure_us", 1000.0),  # this camera has none
            ("gain_db", 1.0),
            ("width", 100_000.0),
            ("width", 320.5),
            ("width", "wide"),
            ("pixel_format", "Mono9"),
            ("trigger_source", "line1"),
            ("nonsense", 1.0),
            ("latency_ms", 0.0),
        ]

    def test_what_it_can_is_found_by_asking_it(self, camera: Camera) -> None:
        assert camera.capabilities == {Capability.FREE_RUNNING}
        assert camera.info.model == "Viky"
        assert camera.info.serial == "1"

    def test_a_node_of_the_camera_s_own_name_is_a_setting(self, make: Make) -> None:
        camera = make()
        camera.open()
        assert camera.configure({"BouncingBallSize": 40.0}).values == {"BouncingBallSize": 40}
        camera.close()

    def test_pictures_have_the_size_and_colours_that_were_asked_for(self, camera: Camera, good: Settings) -> None:
        camera.trigger(1)
        with camera.next_frame(SOON_S) as frame:
            assert frame.image.shape == (200, 320)
            assert frame.pixel_format == "Mono8"
        camera.configure({**good, "pixel_format": "RGBa8", "width": 400.0})
        camera.start()
        camera.trigger(2)
        with camera.next_frame(SOON_S) as frame:
            assert frame.image.shape == (200, 400, 3)
            assert frame.image.any()

    def test_a_picture_is_younger_than_its_trigger(self, camera: Camera) -> None:
        for number in (1, 2, 3):
            time.sleep(0.07)
            asked_ns = time.monotonic_ns()
            camera.trigger(number)
            with camera.next_frame(SOON_S) as frame:
                assert frame.exposed_ns >= asked_ns
                assert frame.device_frame_id is not None

    def test_without_a_latency_nobody_knows_how_old_a_picture_is(self, make: Make) -> None:
        camera = make()
        camera.open()
        camera.configure({})
        camera.start()
        with pytest.raises(Unsupported, match="latency_ms"):
            camera.trigger(1)
        camera.close()

    def test_a_reader_that_holds_every_picture_never_starves_the_producer(self, camera: Camera) -> None:
        held = []
        for number in range(1, 25):  # three times the producer's buffers
            camera.trigger(number)
            held.append(camera.next_frame(SOON_S))
        assert {lease.frame.trigger for lease in held} == set(range(1, 25))
        grab(camera, 25)
        assert camera.health().lost == 0


class TestMissingGentl(MissingCameraContract):
    @pytest.fixture
    def missing(self) -> Camera:
        return viky("4711")


def test_two_cameras_of_one_producer_live_apart() -> None:
    red, green = started("0"), started("1")
    grab(red, 1)
    grab(green, 1)
    red.close()
    grab(green, 2)
    red.open()  # while the other is open: nothing is searched anew
    red.configure(GOOD)
    red.start()
    grab(red, 2)
    grab(green, 3)
    red.close()
    green.close()
    assert accounted(red)
    assert accounted(green)


def test_a_camera_that_is_in_use_is_not_taken() -> None:
    first = started("2")
    with pytest.raises(DeviceLost, match="in use"):
        viky("2").open()
    grab(first, 1)
    first.close()
    second = started("2")
    grab(second, 1)
    second.close()


def test_several_cameras_and_none_named() -> None:
    with pytest.raises(Unsupported, match="0, 1, 2"):
        viky("").open()


def test_a_producer_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.cti").write_bytes(b"no library")
    with pytest.raises(DeviceLost, match=r"bad\.cti"):
        GentlCamera("top", f"{tmp_path}/bad.cti#1").open()
    with pytest.raises(DeviceLost, match=r"nothing\.cti"):
        GentlCamera("top", f"{tmp_path}/nothing.cti#1").open()
    with pytest.raises(SettingsError, match="absolute"):
        GentlCamera("top", "viky.cti#1").open()


def test_producers_are_found_where_the_standard_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(PATH, raising=False)
    assert discover("gentl") == []
    with pytest.raises(SettingsError, match=PATH):
        GentlCamera("top", "1").open()
    monkeypatch.setenv(PATH, str(CTI.parent))
    assert [info.serial for info in discover("gentl")] == ["0", "1", "2"]
    assert probe("gentl:#1").model == "Viky"
    assert grab_files(f"gentl:{CTI}#1", 2, tmp_path)["pictures"] == 2


def test_silence_is_a_loss_and_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The producer can't be unplugged: it is stopped behind the driver's back."""
    camera = started("0")
    grab(camera, 1)
    camera._camera.remote_device.node_map.AcquisitionStop.execute()
    monkeypatch.setattr(gentl, "SILENT_S", 0.3)
    with pytest.raises(DeviceLost, match="no picture"):  # a picture that was on its way may come first
        for number in (2, 3):
            camera.trigger(number)
            camera.next_frame(SOON_S).release()
    with pytest.raises(DeviceLost):
        camera.trigger(4)
    with pytest.raises(DeviceLost):
        camera.probe()
    camera.close()
    assert accounted(camera)
    camera.open()
    camera.configure(GOOD)
    camera.start()
    grab(camera, 5)
    camera.close()


def test_settings_changed_behind_its_back_are_seen_by_the_probe() -> None:
    camera = started("0")
    camera.stop()
    camera._nodes.map.PixelFormat.value = "RGBa8"
    with pytest.raises(DeviceLost, match="configuration is gone"):
        camera.probe()
    camera.close()


def test_buffers_without_a_picture_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = started("0")
    monkeypatch.setattr(gentl, "to_image", lambda *_, **__: (_ for _ in ()).throw(Unsupported("top", "GenDC", "x")))
    camera.trigger(1)
    with pytest.raises(DeviceLost, match="GenDC"):
        camera.next_frame(SOON_S)
    camera.close()


def test_nothing_comes_while_it_is_not_armed() -> None:
    camera = viky("0")
    camera.open()
    camera.configure(GOOD)
    with pytest.raises(DeviceTimeout):
        camera.next_frame(0.01)
    camera.close()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "harvesters.core", None)
    with pytest.raises(Unsupported, match=r"jidoka\[gentl\]"):
        viky("1").open()

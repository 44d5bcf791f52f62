"""What a UVC camera does where there is none; with one: `pytest -m hardware`, written and never run."""

from pathlib import Path

import pytest

from camera_drivers.camera import Camera
from camera_drivers.uvc import UvcCamera, discover
from tests.camera_drivers.contract import CameraContract, Make, MissingCameraContract, Settings
from vocabulary import DeviceLost, SettingsError


class TestMissingUvcCamera(MissingCameraContract):
    @pytest.fixture(params=["4242", "/dev/video4242", "/dev/null"])
    def missing(self, request: pytest.FixtureRequest) -> Camera:
        return UvcCamera("top", request.param)


@pytest.mark.hardware
class TestUvcCamera(CameraContract):
    @pytest.fixture
    def make(self) -> Make:
        if not discover():
            pytest.skip("no /dev/video*")
        return lambda: UvcCamera("top", discover()[0].uri.partition(":")[2])

    @pytest.fixture
    def good(self) -> Settings:
        return {"width": 640.0, "height": 480.0, "latency_ms": 200.0}

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [("nonsense", "x"), ("width", 0.0)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("nonsense", 1.0), ("width", 0.0), ("height", -1.0), ("fps", "fast"), ("exposure_us", 0.0), ("latency_ms", 0.0)],
)
def test_an_impossible_setting_is_refused_by_its_name_before_the_device_is_asked(name: str, value: float | str) -> None:
    with pytest.raises(SettingsError, match=name):
        UvcCamera("top", "0").configure({name: value})


def test_a_camera_that_is_not_open_is_lost() -> None:
    with pytest.raises(DeviceLost, match="not open"):
        UvcCamera("top", "0").configure({"width": 640.0, "latency_ms": 100.0})


@pytest.mark.parametrize("rest", ["", "first", "video0"])
def test_a_uri_without_a_device_is_refused(rest: str) -> None:
    with pytest.raises(SettingsError, match="uvc:/dev/video0"):
        UvcCamera("top", rest)


def test_a_number_names_a_device() -> None:
    assert UvcCamera("top", "7").info.uri == "uvc:/dev/video7"


def test_the_video_devices_are_found() -> None:
    assert {info.uri for info in discover()} == {f"uvc:{path}" for path in Path("/dev").glob("video[0-9]*")}

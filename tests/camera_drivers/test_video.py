"""A video file as a camera: lossless, so that each picture is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_drivers.camera import Camera
from camera_drivers.live import BUFFERS
from camera_drivers.stream import VideoCamera
from tests.camera_drivers.contract import CameraContract, Make, MissingCameraContract, Settings, accounted, grab
from vocabulary import DeviceLost, Image, SettingsError, picture_hash

COUNT = 7


def pictures() -> list[Image]:
    """RGB; whole blocks of one colour, all different."""
    return [np.full((48, 64, 3), (30 * n, 255 - 30 * n, 90), np.uint8) for n in range(COUNT)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "parts.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"PNG "), 25.0, (64, 48))
    assert writer.isOpened()
    for picture in pictures():
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


class TestVideoCamera(CameraContract):
    @pytest.fixture
    def make(self, file: Path) -> Make:
        return lambda: VideoCamera("top", str(file))

    @pytest.fixture
    def good(self) -> Settings:
        return {"loop": 1.0}

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [("latency_ms", 10.0), ("nonsense", "x"), ("loop", 2.0), ("loop", 0.5), ("loop", "often")]

    def test_each_trigger_gives_the_next_picture_unchanged_and_the_loop_begins_again(self, camera: Camera) -> None:
        expected = [picture_hash(picture) for picture in [*pictures(), *pictures()]]
        assert [grab(camera, number) for number in range(1, 2 * COUNT + 1)] == expected

    def test_the_time_in_the_file_is_the_devices(self, camera: Camera) -> None:
        times = []
        for number in (1, 2, 3):
            camera.trigger(number)
            with camera.next_frame(0.0) as frame:
                times.append(frame.device_ns)
        assert times == [0, 40_000_000, 80_000_000]

    def test_the_end_is_a_lost_camera_without_a_loop(self, make: Make) -> None:
        camera = make()
        camera.open()
        camera.configure({})
        camera.start()
        for number in range(1, COUNT + 1):
            grab(camera, number)
        with pytest.raises(DeviceLost, match="no further picture"):
            camera.trigger(COUNT + 1)
        camera.close()
        assert camera.health().triggers == COUNT
        assert accounted(camera)

    def test_more_triggers_than_buffers_are_lost_and_counted(self, camera: Camera) -> None:
        for number in range(1, BUFFERS + 3):
            camera.trigger(number)
        assert camera.health().lost == 2
        camera.stop()
        assert accounted(camera)

    def test_a_file_that_was_removed_fails_the_probe(self, camera: Camera, file: Path) -> None:
        file.unlink()
        with pytest.raises(DeviceLost, match=r"parts\.avi"):
            camera.probe()


class TestMissingVideo(MissingCameraContract):
    @pytest.fixture(params=["nowhere", "no video", "an address"])
    def missing(self, tmp_path: Path, request: pytest.FixtureRequest) -> Camera:
        (tmp_path / "no video").write_text("text")
        return VideoCamera(
            "top", "http://127.0.0.1/x" if request.param == "an address" else str(tmp_path / request.param)
        )


def test_a_uri_without_a_file_is_refused() -> None:
    with pytest.raises(SettingsError, match="video:FILE"):
        VideoCamera("top", "")

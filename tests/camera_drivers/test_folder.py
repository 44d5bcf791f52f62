"""The folder replay."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_drivers.camera import Camera
from camera_drivers.folder import BUFFERS, FolderCamera
from tests.camera_drivers.conftest import Stage
from tests.camera_drivers.contract import SOON_S, CameraContract, Make, MissingCameraContract, Settings, accounted, grab
from vocabulary import DeviceLost, DeviceTimeout, Image, SettingsError, picture_hash

Picture = Callable[[int], Image]


class TestFolderCamera(CameraContract):
    @pytest.fixture
    def make(self, stage: Stage) -> Make:
        return lambda: FolderCamera("top", str(stage.folder))

    @pytest.fixture
    def good(self) -> Settings:
        return {}

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [("exposure_us", 1000.0), ("nonsense", "x")]

    def test_files_come_in_sorted_order_and_begin_again(self, tmp_path: Path, picture: Picture) -> None:
        for seed, name in enumerate(("c.png", "a.bmp", "b.tiff")):
            cv2.imwrite(str(tmp_path / name), picture(seed))
        (tmp_path / "notes.txt").write_text("no picture")
        camera = opened(FolderCamera("top", str(tmp_path)))
        expected = [picture_hash(picture(seed)) for seed in (1, 2, 0, 1)]
        assert [grab(camera, number) for number in (1, 2, 3, 4)] == expected

    def test_each_exposure_reads_the_file_anew(self, camera: Camera, stage: Stage, picture: Picture) -> None:
        staged = []
        for number in range(1, 11):
            staged.append(stage.show(picture(number)))
            assert grab(camera, number) == staged[-1]
        assert len(set(staged)) == 10

    def test_the_picture_is_that_of_the_exposure_not_of_the_fetch(
        self, camera: Camera, stage: Stage, picture: Picture
    ) -> None:
        first = stage.show(picture(1))
        camera.trigger(1)
        stage.show(picture(2))
        with camera.next_frame(SOON_S) as frame:
            assert picture_hash(frame.image) == first

    def test_colour_arrives_as_rgb(self, camera: Camera, stage: Stage) -> None:
        red = np.zeros((4, 4, 3), np.uint8)
        red[:, :, 0] = 200
        stage.show(red)
        camera.trigger(1)
        with camera.next_frame(SOON_S) as frame:
            assert frame.pixel_format == "RGB8"
            assert np.array_equal(frame.image, red)

    @pytest.mark.parametrize("kind", ["text", "empty", "sixteen bit", "cut"])
    def test_a_broken_file_is_named_and_the_next_part_has_its_picture(
        self, camera: Camera, stage: Stage, picture: Picture, kind: str
    ) -> None:
        deep = cv2.imencode(".png", np.full((4, 4), 999, np.uint16))[1].tobytes()
        stage.put({"text": b"no picture", "empty": b"", "sixteen bit": deep, "cut": deep[:40]}[kind])
        camera.trigger(1)
        with pytest.raises(DeviceTimeout, match=r"a\.png"):
            camera.next_frame(SOON_S)
        staged = stage.show(picture(1))
        assert grab(camera, 2) == staged
        assert camera.health().lost == 1
        assert accounted(camera)

    def test_an_emptied_folder_is_a_lost_camera(self, camera: Camera, stage: Stage) -> None:
        for path in stage.folder.iterdir():
            path.unlink()
        with pytest.raises(DeviceLost, match="no pictures"):
            camera.probe()
        with pytest.raises(DeviceLost):
            camera.trigger(1)
        assert accounted(camera)

    def test_more_triggers_than_buffers_are_lost_and_the_next_frame_says_so(self, camera: Camera) -> None:
        for number in range(1, BUFFERS + 3):
            camera.trigger(number)
        for number in range(1, BUFFERS + 1):
            with camera.next_frame(SOON_S) as frame:
                assert frame.trigger == number
        assert camera.health().lost == 2
        assert accounted(camera)

    def test_a_uri_without_a_path_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="folder:PATH"):
            FolderCamera("top", "")


class TestMissingFolder(MissingCameraContract):
    @pytest.fixture
    def missing(self, tmp_path: Path) -> Camera:
        return FolderCamera("top", str(tmp_path / "nowhere"))


def opened(camera: Camera) -> Camera:
    camera.open()
    camera.configure({})
    camera.start()
    return camera

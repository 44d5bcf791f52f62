"""The Basler driver on the vendor's own SDK and its camera emulation."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from camera_drivers.basler import BaslerCamera, discover, sdk
from camera_drivers.frame_join import ids_between
from tests.camera_drivers.conftest import Stage
from tests.camera_drivers.contract import SOON_S, CameraContract, Make, MissingCameraContract, Settings, accounted, grab
from vocabulary import DeviceLost, DeviceTimeout, Image, SettingsError, Unsupported, picture_hash

Picture = Callable[[int], Image]
pylon = sdk()


class TestBaslerCamera(CameraContract):
    @pytest.fixture
    def make(self) -> Make:
        return lambda: BaslerCamera("top", "")

    @pytest.fixture
    def good(self) -> Settings:
        return {
            "exposure_us": 1000.0,
            "gain_db": 0.0,
            "width": 320,
            "height": 240,
            "pixel_format": "Mono8",
            "trigger_source": "software",
        }

    @pytest.fixture
    def bad(self) -> list[tuple[str, float | str]]:
        return [
            ("exposure_us", -1.0),
            ("exposure_us", "long"),
            ("width", 10**6),
            ("width", 100.5),
            ("pixel_format", "Mono7"),
            ("pixel_format", "RGB16Packed"),  # the camera has it, we do not
            ("trigger_source", "line99"),
            ("exposure_active_line", "line99"),
            ("line_debounce_us", 10.0),  # the emulation has none
            ("bandwidth_limit", -1.0),
            ("nonsense", 1.0),
        ]

    def test_the_exposure_is_what_the_camera_does(self, camera: BaslerCamera) -> None:
        camera.configure({"exposure_us": 200_000.0})
        camera.start()
        camera.trigger(1)
        with camera.next_frame(SOON_S) as frame:
            assert frame.exposure_us == 200_000.0
            assert frame.arrived_ns - frame.exposed_ns >= 190_000_000  # the emulation really waits

    def test_a_failed_buffer_is_an_incomplete_frame_and_the_next_is_whole(self, camera: BaslerCamera) -> None:
        camera.sdk_camera.ForceFailedBufferCount.Value = 1
        camera.sdk_camera.ForceFailedBuffer.Execute()
        camera.trigger(1)
        with camera.next_frame(SOON_S) as frame:
            assert (frame.trigger, frame.status) == (1, "incomplete")
        grab(camera, 2)
        health = camera.health()
        assert (health.triggers, health.delivered, health.incomplete, health.lost) == (2, 1, 1, 0)

    def test_a_camera_that_was_pulled_is_lost_and_comes_back_configured(
        self, camera: BaslerCamera, good: Settings
    ) -> None:
        grab(camera, 1)
        camera.trigger(2)
        camera.sdk_camera.FirePnPCallback.Execute()
        wait_until_removed(camera)
        for step in (camera.probe, lambda: camera.trigger(3), lambda: camera.next_frame(0.01), camera.start):
            with pytest.raises(DeviceLost):
                step()
        with pytest.raises(DeviceLost):
            camera.configure(good)
        camera.close()
        camera.open()
        assert camera.configure(good).values["exposure_us"] == 1000.0
        camera.start()
        grab(camera, 4)
        assert camera.health().reconnects == 1
        assert accounted(camera)

    def test_a_wired_trigger_refuses_the_software_and_waits(self, camera: BaslerCamera) -> None:
        assert camera.configure({"trigger_source": "line1"}).values["trigger_source"] == "line1"
        camera.start()
        with pytest.raises(Unsupported):
            camera.trigger(1)
        with pytest.raises(DeviceTimeout):
            camera.next_frame(0.01)

    def test_a_line_tells_when_the_sensor_exposes_and_the_cable_is_shared(self, camera: BaslerCamera) -> None:
        asked = {"exposure_active_line": "line2", "bandwidth_limit": 100_000_000.0, "black_level": 4.0}
        assert camera.configure(asked).values == {**asked, "trigger_source": "software"}
        device = camera.sdk_camera
        device.LineSelector.Value = "Line2"
        assert (device.LineMode.Value, device.LineSource.Value) == ("Output", "ExposureActive")
        assert device.DeviceLinkThroughputLimitMode.Value == "On"

    def test_a_whole_picture_fits_after_a_small_one_with_an_offset(self, make: Make) -> None:
        camera = make()
        camera.open()
        camera.configure({"width": 100, "offset_x": 3000})
        assert camera.configure({"width": 4096}).values["width"] == 4096
        camera.close()

    def test_a_value_between_two_steps_is_reported(self, camera: BaslerCamera) -> None:
        applied = camera.configure({"gain_db": 1.234})
        assert applied.values["gain_db"] != 1.234
        assert "gain_db" in applied.changed

    def test_a_wiped_configuration_fails_the_probe(self, camera: BaslerCamera) -> None:
        camera.sdk_camera.StopGrabbing()
        camera.sdk_camera.TriggerMode.Value = "Off"
        with pytest.raises(DeviceLost, match="configuration"):
            camera.probe()


class TestMissingBaslerCamera(MissingCameraContract):
    @pytest.fixture
    def missing(self) -> BaslerCamera:
        return BaslerCamera("top", "12345678")


class TestStage:
    """The emulated camera looks at a folder, as in the demo."""

    @pytest.fixture
    def camera(self, stage: Stage) -> BaslerCamera:
        camera = BaslerCamera("top", "")
        camera.open()
        camera.configure({"exposure_us": 1000, "image_folder": str(stage.folder), "width": 640, "height": 480})
        camera.start()
        return camera

    def test_each_exposure_shows_exactly_what_was_staged(
        self, camera: BaslerCamera, stage: Stage, picture: Picture
    ) -> None:
        staged = []
        for number in range(1, 31):
            staged.append(stage.show(picture(number)))
            assert grab(camera, number) == staged[-1]
        assert len(set(staged)) == 30
        camera.close()

    def test_a_picture_of_another_size_comes_as_it_is(self, camera: BaslerCamera, stage: Stage) -> None:
        for number, shape in enumerate([(20, 30), (480, 640), (31, 17)], 1):
            stage.show(np.full(shape, number, np.uint8))
            camera.trigger(number)
            with camera.next_frame(SOON_S) as frame:
                assert frame.image.shape == shape
        camera.close()

    def test_colour_arrives_as_rgb(self, camera: BaslerCamera, stage: Stage) -> None:
        camera.configure({"pixel_format": "RGB8Packed", "image_folder": str(stage.folder)})
        camera.start()
        red = np.zeros((40, 60, 3), np.uint8)
        red[:, :, 0] = 200
        stage.show(red)
        assert grab(camera, 1) == picture_hash(red)
        camera.close()

    @pytest.mark.parametrize("deep", ["Mono10", "Mono12", "Mono16"])
    def test_more_than_eight_bits_agree_with_mono8_in_their_top_eight(
        self, camera: BaslerCamera, stage: Stage, picture: Picture, deep: str
    ) -> None:
        stage.show(picture(7))
        seen = {name: look(camera, stage, name) for name in ("Mono8", deep)}
        assert np.array_equal(seen["Mono8"], picture(7))
        assert np.array_equal(seen[deep], seen["Mono8"])

    @pytest.mark.parametrize("depth", ["8", "10", "12", "16"])
    @pytest.mark.parametrize("first", ["RG", "GR", "GB", "BG"])
    def test_bayer_shows_each_wall_in_its_colour(
        self, camera: BaslerCamera, stage: Stage, first: str, depth: str
    ) -> None:
        for wall in ((200, 10, 10), (10, 200, 10), (10, 10, 200)):
            stage.show(np.full((40, 60, 3), wall, np.uint8))
            seen = look(camera, stage, f"Bayer{first}{depth}")
            assert seen.shape == (40, 60, 3)
            assert np.array_equal(seen, np.full((40, 60, 3), wall))

    @pytest.mark.parametrize("name", ["RGB8Packed", "BGR8Packed", "BGRA8Packed"])
    def test_every_order_of_colour_arrives_as_rgb(self, camera: BaslerCamera, stage: Stage, name: str) -> None:
        shown = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
        stage.show(shown)
        assert np.array_equal(look(camera, stage, name), shown)

    @pytest.mark.parametrize("how", ["broken", "missing"])
    def test_a_file_that_fails_is_named_and_the_next_part_has_its_picture(
        self, camera: BaslerCamera, stage: Stage, picture: Picture, how: str
    ) -> None:
        stage.show(picture(1))
        grab(camera, 1)
        if how == "broken":
            stage.put(b"no picture")
        else:
            for path in stage.folder.iterdir():
                path.unlink()
        camera.trigger(2)
        with pytest.raises(DeviceTimeout, match=str(stage.folder)):
            camera.next_frame(SOON_S)
        staged = stage.show(picture(3))
        assert grab(camera, 3) == staged
        assert accounted(camera)
        camera.close()

    def test_a_folder_with_one_picture_is_refused(self, stage: Stage) -> None:
        (stage.folder / "b.png").unlink()
        camera = BaslerCamera("top", "")
        camera.open()
        with pytest.raises(SettingsError, match="at least 2"):
            camera.configure({"image_folder": str(stage.folder)})
        camera.close()


def look(camera: BaslerCamera, stage: Stage, pixel_format: str) -> Image:
    """One exposure in this format."""
    camera.configure({"pixel_format": pixel_format, "image_folder": str(stage.folder)})
    camera.start()
    camera.trigger(1)
    with camera.next_frame(SOON_S) as frame:
        assert (frame.status, frame.pixel_format) == ("ok", pixel_format)
        return frame.image.copy()


class Result:
    """What the SDK hands over where the emulation can't: packed formats and line padding."""

    def __init__(self, data: bytes, padding: int, stride: int) -> None:
        self.Width, self.Height, self.PaddingX = 4, 2, padding
        self.data, self.stride = data, stride

    def GetStride(self) -> tuple[bool, int]:  # noqa: N802  the SDK's name
        return True, self.stride

    def GetImageMemoryView(self) -> memoryview:  # noqa: N802
        if not self.data:
            raise pylon.InvalidArgumentException("Invalid pixel type.", "PixelType.cpp", 362)
        return memoryview(self.data)


def test_packed_lines_with_padding_are_read_as_sent() -> None:
    camera = BaslerCamera("top", "")
    camera._pixel_format = "Mono12Packed"
    line = bytes([1, 0xBA, 2, 3, 0xDC, 4])
    data = line + b"\xff\xff" + line + b"\xff\xff"
    assert camera._copy(Result(data, 2, 8)).tolist() == [[1, 2, 3, 4], [1, 2, 3, 4]]
    assert camera._copy(Result(line + line, 0, 6)).tolist() == [[1, 2, 3, 4], [1, 2, 3, 4]]


def test_a_result_without_pixels_is_no_picture() -> None:
    camera = BaslerCamera("top", "")
    camera._pixel_format = "Mono8"
    with pytest.raises(DeviceTimeout, match=r"top: frame without a picture: .*Invalid pixel type"):
        camera._copy(Result(b"", 0, 4))
    with pytest.raises(DeviceTimeout, match="top: incomplete picture: 7 bytes"):
        camera._copy(Result(bytes(7), 0, 4))


def test_triggers_whose_frame_ids_were_passed_over_are_lost_not_shifted() -> None:
    camera = BaslerCamera("top", "")
    camera.open()
    camera.configure({"exposure_us": 1000})
    camera.start()
    for number in (1, 2, 3):
        camera.trigger(number)
    skip = camera.sdk_camera.RetrieveResult(5000, pylon.TimeoutHandling_ThrowException)  # as if the wire had lost it
    skip.Release()
    with camera.next_frame(SOON_S) as frame:
        assert (frame.trigger, frame.lost_before) == (2, 1)
    with camera.next_frame(SOON_S) as frame:
        assert (frame.trigger, frame.lost_before) == (3, 0)
    assert (camera.health().lost, camera.health().triggers) == (1, 3)
    assert accounted(camera)
    camera.close()


def test_frame_ids_are_counted_across_the_sixteen_bit_wrap() -> None:
    assert [ids_between(last, now) for last, now in ((-1, 0), (0, 1), (4, 7), (65534, 65535), (65535, 1))] == [
        0, 0, 2, 0, 0,
    ]  # fmt: skip
    assert ids_between(65534, 2) == 2
    assert ids_between(65535, 65536) == 0  # extended ids


def test_the_emulated_camera_is_found() -> None:
    assert [info.serial for info in discover()] == ["0815-0000"]


def test_several_cameras_and_no_serial_are_refused_with_the_serials() -> None:
    code = "from camera_drivers.basler import BaslerCamera as B; B('top', '0815-0001').open(); B('top', '').open()"
    two = {**os.environ, "PYLON_CAMEMU": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=two, capture_output=True, text=True, check=False)
    assert "Unsupported: top: several cameras: 0815-0000, 0815-0001: name one as basler:SERIAL" in done.stderr


def test_without_the_sdk_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypylon", None)
    with pytest.raises(Unsupported, match=r"pip install 'jidoka\[basler\]'"):
        BaslerCamera("top", "").open()


def wait_until_removed(camera: BaslerCamera) -> None:
    for _ in range(1000):
        if camera._watch.removed:
            return
        time.sleep(0.005)
    raise AssertionError("the SDK never noticed")

"""A change-over between recipes of different camera settings: the camera stays open, no old exposure counts."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from camera_drivers.camera import Applied, Camera, Lease
from camera_drivers.simulated import SimulatedCamera
from edge.engine.cameras import StationCamera
from edge.engine.join import State
from edge.engine.wired import WiredCamera
from edge.messages import Inspect
from edge.recipe import Line
from edge.settings import CameraSettings
from tests.camera_drivers.test_simulated_wired import Bench
from vocabulary import DeviceTimeout, MonotonicClock

os.environ.setdefault("PYLON_CAMEMU", "1")  # read by the SDK when it first looks for cameras
LINE = Line(takt_s=0.5, deadline_ms=180, exposure_window_ms=250)


def request(part: int) -> Inspect:
    return Inspect(1, part, 0, ["top"], 1, 1, part, None, 0, 0, 1 << 62, 1 << 62)


@pytest.fixture(params=["sim:?width=64&height=64", "basler:"])
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StationCamera]:
    settings: dict[str, float | str] = {}
    if request.param == "basler:":
        for name in ("a.png", "b.png"):
            cv2.imwrite(str(tmp_path / name), np.full((48, 64), 90, np.uint8))
        settings = {"pixel_format": "Mono8", "width": 64, "height": 48, "image_folder": str(tmp_path)}
    made = StationCamera(CameraSettings(name="top", uri=request.param, settings=settings), tmp_path)
    made.use({"exposure_us": 1000}, LINE)
    made.try_open()
    assert made.unmet is None
    yield made
    made.close()


def exposure(camera: StationCamera, part: int) -> tuple[float | None, int]:
    with camera.frame(request(part), 1.0) as frame:
        return frame.exposure_us, frame.configuration_epoch


def test_new_settings_are_in_force_at_once_and_the_camera_stays_open(camera: StationCamera) -> None:
    camera.expose(1)
    assert exposure(camera, 1) == (1000, 1)
    camera.use({"exposure_us": 3000}, LINE)
    assert camera.unmet is None
    camera.expose(2)
    assert exposure(camera, 2) == (3000, 2)
    camera.use({"exposure_us": 3000}, LINE)  # nothing new: nothing is written
    camera.use({"exposure_us": 1000}, LINE)
    camera.expose(3)
    assert exposure(camera, 3) == (1000, 3)
    assert camera.driver.health().reconnects == 0


def test_what_was_exposed_before_is_no_part_s_picture_afterwards(camera: StationCamera) -> None:
    camera.expose(1)
    camera.use({"exposure_us": 3000}, LINE)
    with pytest.raises(DeviceTimeout):
        camera.frame(request(1), 0.05)
    camera.expose(2)
    assert exposure(camera, 2)[0] == 3000


def test_settings_that_the_camera_refuses_make_it_not_ready(camera: StationCamera) -> None:
    camera.use({"exposure_us": 1e9}, LINE)
    assert "exposure_us" in str(camera.why_not)
    camera.use({"exposure_us": 2000}, LINE)
    camera.try_open()
    camera.expose(4)
    assert exposure(camera, 4)[0] == 2000


def with_driver(driver: Camera) -> StationCamera:
    camera = StationCamera(CameraSettings(name="top", uri="sim:"), Path())
    camera.driver = driver
    camera.try_open()
    return camera


def test_a_frame_of_an_earlier_configuration_is_refused() -> None:
    class Sloppy(SimulatedCamera):
        """Keeps what it exposed, and when, through a new configuration."""

        def configure(self, settings: object) -> Applied:
            kept, self.kept = list(self._waiting), self.book.epoch
            applied = super().configure(settings)  # type: ignore[arg-type]
            self.again = kept
            return applied

        def start(self) -> None:
            super().start()
            self._waiting.extend(self.again)

        def next_frame(self, timeout_s: float) -> Lease:
            lease = super().next_frame(timeout_s)
            if self.again:
                object.__setattr__(lease.frame, "configuration_epoch", self.kept)
            return lease

    its = with_driver(Sloppy("top", "?width=64&height=64"))
    its.expose(1)
    its.use({"exposure_us": 3000}, LINE)
    with pytest.raises(DeviceTimeout, match="earlier settings"):
        its.frame(request(1), 0.05)


def test_a_value_that_the_camera_did_not_take_is_no_rounding() -> None:
    class Deaf(SimulatedCamera):
        """Says what it has, whatever was asked."""

        def configure(self, settings: object) -> Applied:
            applied = super().configure(settings)  # type: ignore[arg-type]
            return Applied(applied.epoch, {**applied.values, "exposure_us": 1000.0})

    its = with_driver(Deaf("top", "?width=64&height=64"))
    its.use({"exposure_us": 1004}, LINE)
    assert its.unmet is None
    its.use({"exposure_us": 3000}, LINE)
    assert "asked 3000, the camera has 1000" in str(its.why_not)


def test_a_wired_camera_is_joined_anew_after_other_settings(tmp_path: Path) -> None:
    """Its count begins again with the configuration: until the section was empty no frame is anybody's."""
    bench = Bench(tmp_path)
    settings = CameraSettings(name="top", uri=f"simwire:{bench.path}?stage={bench.stage}", trigger_source="encoder")
    camera = WiredCamera(settings, tmp_path, MonotonicClock())
    line = LINE.model_copy(update={"least_spacing_counts": 100})
    camera.use({}, line)
    camera.try_open()
    assert camera.unmet is None
    assert camera.join is not None
    camera.join.state = State.JOINED  # as after the first part
    camera.use({}, line)
    assert camera.join.state is State.JOINED
    before = camera.join
    camera.driver.configure = lambda settings: Applied(2, settings)  # type: ignore[method-assign]  # it has none to set
    camera.use({"exposure_us": 3000.0}, line)
    assert camera.unmet is None
    assert camera.join is not before
    assert camera.join.state is State.UNSURE
    camera.driver.close()
    bench.wire.close()

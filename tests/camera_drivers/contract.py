"""What every camera must do. A driver's test subclasses this and supplies the fixtures `make`, `good` and `bad`."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest

from camera_drivers.camera import Camera
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, SettingsError, picture_hash

SOON_S = 5.0  # long enough for a busy machine; nobody measures it
Settings = Mapping[str, float | str]
Make = Callable[[], Camera]


def grab(camera: Camera, number: int) -> str:
    """Trigger, fetch, and say which picture it was."""
    camera.trigger(number)
    with camera.next_frame(SOON_S) as frame:
        assert frame.trigger == number
        assert frame.status == "ok"
        return picture_hash(frame.image)


def accounted(camera: Camera) -> bool:
    health = camera.health()
    return health.triggers == health.delivered + health.incomplete + health.lost


class CameraContract:
    """Runs on a healthy camera that answers software triggers."""

    @pytest.fixture
    def camera(self, make: Make, good: Settings) -> Iterator[Camera]:
        camera = make()
        camera.open()
        camera.configure(good)
        camera.start()
        yield camera
        camera.close()

    def test_fifty_triggers_give_fifty_frames_in_order(self, camera: Camera) -> None:
        for number in range(101, 151):
            camera.trigger(number)
            with camera.next_frame(SOON_S) as frame:
                assert (frame.trigger, frame.sequence) == (number, number - 100)
                assert (frame.status, frame.lost_before) == ("ok", 0)
                assert frame.exposed_ns <= frame.arrived_ns
                assert frame.image.dtype == np.uint8
                assert frame.image.ndim == 2 or frame.image.shape[2] == 3
        health = camera.health()
        assert (health.triggers, health.delivered, health.incomplete, health.lost) == (50, 50, 0, 0)

    def test_what_was_set_is_read_back(self, make: Make, good: Settings) -> None:
        camera = make()
        camera.open()
        applied = camera.configure(good)
        again = camera.configure(good)
        camera.close()
        assert {name: applied.values[name] for name in good} == dict(good)
        assert applied.changed == {}
        assert again.epoch == applied.epoch + 1

    def test_configuring_disarms(self, camera: Camera, good: Settings) -> None:
        camera.trigger(1)
        camera.configure(good)
        with pytest.raises(DeviceError):
            camera.trigger(2)
        camera.start()
        grab(camera, 3)
        assert (camera.health().triggers, camera.health().lost) == (2, 1)

    def test_an_impossible_setting_is_refused_by_its_name(self, make: Make, bad: list[tuple[str, float | str]]) -> None:
        camera = make()
        camera.open()
        try:
            for name, value in bad:
                with pytest.raises(SettingsError, match=name):
                    camera.configure({name: value})
        finally:
            camera.close()

    def test_no_trigger_is_a_timeout_not_a_hang(self, camera: Camera) -> None:
        with pytest.raises(DeviceTimeout, match=camera.name):
            camera.next_frame(0.01)
        with pytest.raises(DeviceTimeout):
            camera.next_frame(0.0)
        grab(camera, 1)

    def test_a_trigger_without_arming_makes_no_frame(self, make: Make, good: Settings) -> None:
        camera = make()
        camera.open()
        camera.configure(good)
        with pytest.raises(DeviceError):
            camera.trigger(1)
        assert camera.health().triggers == 0
        camera.close()

    def test_a_leased_picture_refuses_to_be_written(self, camera: Camera) -> None:
        camera.trigger(1)
        with camera.next_frame(SOON_S) as frame, pytest.raises(ValueError, match="read-only"):
            frame.image[0, 0] = 1

    def test_a_lease_ends_once_and_for_good(self, camera: Camera) -> None:
        for number in range(1, 21):  # more than any driver has buffers
            camera.trigger(number)
            lease = camera.next_frame(SOON_S)
            lease.release()
            lease.release()
        assert camera.health().delivered == 20

    def test_held_leases_keep_their_own_pictures(self, camera: Camera) -> None:
        held = []
        for number in (1, 2, 3):
            camera.trigger(number)
            held.append(camera.next_frame(SOON_S))
        before = [picture_hash(lease.frame.image) for lease in held]
        grab(camera, 4)
        assert [picture_hash(lease.frame.image) for lease in held] == before
        for lease in held:
            lease.release()

    def test_triggers_that_nobody_fetches_are_lost_and_counted(self, camera: Camera) -> None:
        for number in (1, 2, 3):
            camera.trigger(number)
        with camera.next_frame(SOON_S) as frame:
            assert frame.trigger == 1
        camera.stop()
        health = camera.health()
        assert (health.triggers, health.delivered, health.lost) == (3, 1, 2)

    def test_after_stop_and_start_no_old_frame_comes(self, camera: Camera) -> None:
        camera.trigger(7)
        camera.stop()
        camera.start()
        camera.trigger(8)
        with camera.next_frame(SOON_S) as frame:
            assert (frame.trigger, frame.sequence, frame.session, frame.lost_before) == (8, 1, 2, 0)
        assert accounted(camera)

    def test_stop_and_close_twice_are_harmless(self, camera: Camera) -> None:
        camera.stop()
        camera.stop()
        camera.close()
        camera.close()
        with pytest.raises(DeviceError):
            camera.trigger(1)

    def test_a_closed_camera_opens_again(self, camera: Camera, good: Settings) -> None:
        grab(camera, 1)
        camera.close()
        camera.open()
        camera.configure(good)
        camera.start()
        grab(camera, 2)
        assert camera.health().reconnects == 1
        assert accounted(camera)

    def test_the_probe_is_content_with_a_living_camera(self, camera: Camera) -> None:
        camera.probe()
        grab(camera, 1)
        camera.probe()

    def test_it_says_who_it_is(self, camera: Camera) -> None:
        assert camera.info.uri.startswith(f"{camera.info.driver}:")


class MissingCameraContract:
    """What every driver says of a device that is not there; supplies the fixture `missing`."""

    def test_a_missing_device_is_lost(self, missing: Camera) -> None:
        with pytest.raises(DeviceLost, match=missing.name):
            missing.open()
        missing.close()
        missing.close()

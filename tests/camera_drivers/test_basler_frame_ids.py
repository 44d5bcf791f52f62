"""Frame ids that say nothing: the SDK's own word for invalid, and cameras that have none."""

from typing import Any

import pytest

from camera_drivers.basler import BaslerCamera
from tests.camera_drivers.contract import SOON_S, accounted

INVALID = 2**64 - 1  # pylon C++ API, CGrabResultData::GetBlockID


class Renumbered:
    """An SDK object with one attribute replaced."""

    def __init__(self, real: Any, **replaced: Any) -> None:
        self._real = real
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def opened(ids: list[int], first_id: int = 0) -> BaslerCamera:
    """The emulated camera, armed, whose frames bear these ids."""
    camera = BaslerCamera("top", "")
    camera.open()
    camera.join.first_id = first_id  # the emulation knows one transport only
    camera.configure({"exposure_us": 1000})
    camera.start()
    real, given = camera.sdk_camera, iter(ids)
    retrieve = lambda *asked: Renumbered(real.RetrieveResult(*asked), BlockID=next(given))  # noqa: E731
    camera.sdk_camera = Renumbered(real, RetrieveResult=retrieve)
    return camera


def triggers_of_frames(camera: BaslerCamera, count: int) -> list[int | None]:
    found = []
    for _ in range(count):
        with camera.next_frame(SOON_S) as frame:
            found.append(frame.trigger)
    return found


@pytest.mark.parametrize(("ids", "first_id"), [([INVALID] * 3, 0), ([0] * 3, 1)])
def test_a_camera_without_frame_ids_works_with_one_trigger_at_a_time(ids: list[int], first_id: int) -> None:
    camera = opened(ids, first_id)
    for number in (11, 12, 13):
        camera.trigger(number)
        with camera.next_frame(SOON_S) as frame:
            assert (frame.trigger, frame.device_frame_id, frame.lost_before) == (number, None, 0)
    health = camera.health()
    camera.close()
    assert (health.triggers, health.delivered, health.lost) == (3, 3, 0)


@pytest.mark.parametrize(
    ("ids", "first_id", "expected"),
    [
        ([INVALID, 1, 2], 0, [None, 2, 3]),
        ([0, 2, 3], 1, [None, 2, 3]),
        ([0, INVALID, 2], 0, [1, None, 3]),
    ],
)
def test_a_frame_that_may_be_anyones_names_no_trigger_and_shifts_none(
    ids: list[int], first_id: int, expected: list[int | None]
) -> None:
    camera = opened(ids, first_id)
    for number in (1, 2, 3):
        camera.trigger(number)
    found = triggers_of_frames(camera, 3)
    health = camera.health()
    camera.close()
    assert found == expected
    assert (health.triggers, health.delivered, health.lost) == (3, 3, 0)


def test_a_loss_beside_an_invalid_id_is_still_found() -> None:
    camera = opened([INVALID, 2], 0)  # of three exposures two came; the last says it is the third
    for number in (1, 2, 3):
        camera.trigger(number)
    with camera.next_frame(SOON_S) as frame:
        assert frame.trigger is None
    with camera.next_frame(SOON_S) as frame:
        assert (frame.trigger, frame.lost_before) == (3, 1)
    assert accounted(camera)
    assert (camera.health().triggers, camera.health().lost) == (3, 1)
    camera.close()

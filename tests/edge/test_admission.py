"""What speaks against an answer."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge.gate.admission import deadline_unproven, repeated
from edge.messages import Inspected, Picture
from edge.settings import CameraSettings


def answer(**hashes: str) -> Inspected:
    pictures = [Picture(name, one, 8, 8, 1, 0, 0, "device", None, None, None, 0) for name, one in hashes.items()]
    return Inspected(1, 1, 0, "OK", 0.1, 0, [], "plate", 1, "4711" * 16, pictures, [], {})


def gate(**may_repeat: bool) -> Any:
    cameras = [CameraSettings(name=name, uri="sim:", may_repeat=may) for name, may in may_repeat.items()]
    return SimpleNamespace(station=SimpleNamespace(cameras=cameras), pictures={})


def test_a_camera_whose_picture_stands_still_judges_nothing() -> None:
    its = gate(top=False, side=False)
    assert repeated(its, answer(top="a", side="b")) is None
    why = repeated(its, answer(top="c", side="b"))
    assert why is not None
    assert (why.code, "camera side" in why.text) == ("picture_repeated", True)
    assert repeated(its, answer(top="d", side="e")) is None
    assert repeated(its, answer(top="d", side="f")) is not None


def test_pictures_from_files_may_repeat_where_it_is_said() -> None:
    its = gate(top=True)
    assert repeated(its, answer(top="a")) is None
    assert repeated(its, answer(top="a")) is None


@pytest.mark.parametrize(
    ("in_force", "proven", "said"),
    [(50, 40, ""), (50, 60, "the certificate proves 60 ms"), (0, 0, "no part can be"), (-10, 60, "no part can be")],
)
def test_a_deadline_that_nothing_proves_is_named(in_force: float, proven: float, said: str) -> None:
    its: Any = SimpleNamespace(proven_ms=proven)
    plc = SimpleNamespace(transport_ms=10)
    station: Any = SimpleNamespace(deadline_ms=lambda _: in_force, station=SimpleNamespace(plc=plc))
    why = deadline_unproven(station, its)
    assert (why is None) == (said == "")
    assert why is None or said in why.text

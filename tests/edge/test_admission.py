"""What speaks against an answer."""

from types import SimpleNamespace
from typing import Any

from edge.gate.admission import repeated
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

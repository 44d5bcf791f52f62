"""Cameras further along the belt: the encoder says when a part is there, and one answer comes out of all looks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate.looks import BeltPosition, Look, arrival, looks_of, merged, moved
from edge.messages import Inspected, Picture, ToolResult, Why
from edge.settings import CameraSettings

U32 = 1 << 32
SPACING = 150
SHA256 = "4711" * 16
BACK = Look(400, ["back"])


def camera(name: str, position: int) -> CameraSettings:
    return CameraSettings(name=name, uri="sim:", position_counts=position)


def belt(encoder: int) -> BeltPosition:
    return BeltPosition(encoder % U32, 0, 1)


def answer(look: int, verdict: str, **more: Any) -> Inspected:
    name = f"camera{look}"
    picture = Picture(name, f"{look:064x}", 8, 8, 1, 0, 0, "device", None, None, None, 0)
    tool = ToolResult(name, name, "f" * 64, verdict, None, "defect", "major", more.get("score", 0.1), 0.5, None, [], {})
    return Inspected(
        1, 9, look, verdict, more.get("score", 0.1), more.get("number", 0), [Why(f"at_{look}", verdict)], "plate", 1,
        SHA256, [picture], [tool], {"exposed": 100 + look},
    )  # fmt: skip


def test_cameras_are_looked_through_in_belt_order_and_only_those_of_the_recipe() -> None:
    cameras = [camera("back", 400), camera("front", 0), camera("side", 400), camera("idle", 200)]
    assert looks_of(cameras, ["front", "back", "side"]) == [Look(0, ["front"]), Look(400, ["back", "side"])]
    assert looks_of(cameras, []) == []


@given(latched=st.integers(0, U32 - 1), travelled=st.integers(-2 * SPACING, 800))
def test_a_part_arrives_by_encoder_wherever_the_count_wraps(latched: int, travelled: int) -> None:
    found = arrival(latched, BACK, belt(latched + travelled), SPACING)
    if travelled <= -SPACING:
        assert isinstance(found, Why)
        assert found.code == "encoder_fault"
    elif travelled < 400:
        assert found is False
    elif travelled < 400 + SPACING // 2:
        assert found is True
    else:
        assert isinstance(found, Why)
        assert found.code == "exposure_missed"


@given(at=st.integers(0, U32 - 1), by=st.integers(-(1 << 31), (1 << 31) - 1))
def test_moved_is_the_way_between_two_counts(at: int, by: int) -> None:
    assert moved((at + by) % U32, at) == by


@pytest.mark.parametrize(
    ("first", "last", "verdict"),
    [("OK", "OK", "OK"), ("NG", "OK", "NG"), ("OK", "RECHECK", "RECHECK"), ("RECHECK", "NG", "NG"),
     ("NG", "NOT_INSPECTED", "NOT_INSPECTED"), ("OK", "NOT_INSPECTED", "NOT_INSPECTED")],
)  # fmt: skip
def test_the_worst_look_is_the_parts_verdict(first: str, last: str, verdict: str) -> None:
    both = merged([answer(0, first, number=3), answer(400, last, number=5)])
    assert both.verdict == verdict
    assert both.defect_class == (5 if verdict == last != first else 3)
    assert [why.code for why in both.reasons] == ["at_0", "at_400"]
    assert [picture.camera for picture in both.pictures] == ["camera0", "camera400"]
    assert both.laps_ns == {"exposed@0": 100, "exposed": 500}


def test_the_score_is_the_one_farthest_above_its_limit() -> None:
    assert merged([answer(0, "OK", score=0.4), answer(400, "OK", score=0.2)]).score == 0.4
    assert merged([answer(0, "OK")]).score == 0.1

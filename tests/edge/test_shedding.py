"""When parts come faster than they can be judged, those without enough time leave first, and only by the recipe."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.certificate import Certificate, write
from edge.engine.loop import shed_below_ms
from edge.gate.alarms import Alarms
from edge.gate.shedding import SHOWN_NS, Shedding, hopeless, spare
from edge.recipe import Recipe
from edge.settings import StateFolder
from vocabulary import SettingsError

MS = 1_000_000


def gate(*, below_ms: float, deadline_ms: float = 100.0, waiting: int = 0, pictures: bool = True) -> Any:
    its = SimpleNamespace(shed_below_ms=below_ms, shed_ok_pictures=pictures)
    engine = SimpleNamespace(recipe=lambda _: its)
    return SimpleNamespace(engine=engine, deadline_ms=lambda _: deadline_ms, waiting=[None] * waiting)


def part(left_ms: float) -> Any:
    return SimpleNamespace(recipe=1, seen_ns=0, deadline_ns=int(left_ms * MS))


@pytest.mark.parametrize(
    ("left_ms", "below_ms", "deadline_ms", "code"),
    [
        (31, 30, 100, None), (29, 30, 100, "shed"), (-1, 30, 100, "shed"),
        (1, 0, 100, None), (-1, 0, 100, "engine_busy"),  # nothing declared, nothing certified: until its deadline
        (20, 130, 100, None), (-1, 130, 100, "engine_busy"),  # it would shed every part, also on an idle station
    ],
)  # fmt: skip
def test_a_part_leaves_when_its_time_is_shorter_than_judging_takes(
    left_ms: float, below_ms: float, deadline_ms: float, code: str | None
) -> None:
    why = hopeless(gate(below_ms=below_ms, deadline_ms=deadline_ms), part(left_ms), 0)
    assert (why.code if why else None) == code


@pytest.mark.parametrize(
    ("waiting", "waited_ms", "declared", "there_is_time"),
    [(0, 1, True, True), (1, 1, True, False), (0, 30, True, False), (1, 30, False, True)],
)
def test_pictures_of_ok_parts_are_given_up_before_parts(
    waiting: int, waited_ms: int, declared: bool, there_is_time: bool
) -> None:
    its = gate(below_ms=30, waiting=waiting, pictures=declared)
    assert spare(its, part(90), waited_ms * MS) is there_is_time


def recipe(**shedding: Any) -> Recipe:
    line = {"takt_s": 0.5, "deadline_ms": 180, "exposure_window_ms": 250}
    tools = [{"camera": "top", "package": "a.jdk"}]
    return Recipe(name="cell", number=1, product="x", line=line, tools=tools, shedding=shedding)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shedding", "certified", "below_ms"),
    [
        ({}, False, 0.0), ({}, True, 31.5), ({"least_left_ms": 50}, True, 50.0), ({"least_left_ms": 50}, False, 50.0),
        ({"order": ["ok_pictures"], "least_left_ms": 50}, True, 0.0), ({"order": []}, True, 0.0),
    ],
)  # fmt: skip
def test_the_recipe_says_from_when_on_else_the_certificate(
    tmp_path: Path, shedding: dict[str, Any], certified: bool, below_ms: float
) -> None:
    state = StateFolder(tmp_path)
    if certified:
        measured = {"deadline_ms": 1.0, "margin_ms": 9.0, "p50_ms": 1.0, "p99_ms": 2.0, "p999_ms": 31.5, "max_ms": 1.0}
        its = Certificate("cell", "", [], "", "", "", 1, "", 10_000, **measured, load=0.0, utc="")
        write(state.certificates, its)
    assert shed_below_ms(recipe(**shedding), state) == below_ms


@pytest.mark.parametrize("order", [["parts", "ok_pictures"], ["parts", "parts"]])
def test_parts_are_shed_last(order: list[str]) -> None:
    with pytest.raises((SettingsError, ValueError), match="parts last"):
        recipe(order=order)


def test_shedding_is_an_alarm_with_an_action_that_ends_by_itself() -> None:
    shedding, alarms = Shedding(), Alarms()
    assert shedding.lately(0) is None
    for now in (0, 2_000 * MS, 4_000 * MS):
        shedding.part(now)
        why = shedding.lately(now)
        assert why is not None
        alarms.look({why.code: why.text}, now, "")
    (alarm,) = alarms.listed()
    assert (alarm.key, alarm.priority, "slow the belt" in alarm.action) == ("shed", 2, True)
    assert "3 shed" in alarm.text
    assert shedding.lately(4_000 * MS + SHOWN_NS) is None

"""While another recipe is asked for than is active, only a part with a recipe of its own in its trigger is judged."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge.gate import change_over


def gate(master: str, *, asked: int, active: int = 1, known: tuple[int, ...] = (1, 2)) -> Any:
    return SimpleNamespace(
        station=SimpleNamespace(plc=SimpleNamespace(recipe_master=master)),
        plc=SimpleNamespace(plc=SimpleNamespace(recipe_req=asked if master == "plc" else 0)),
        recipe=asked if master == "station" else None,
        engine=SimpleNamespace(state=SimpleNamespace(recipe=active), recipes=dict.fromkeys(known)),
    )


@pytest.mark.parametrize(
    ("master", "asked", "by_trigger", "codes"),
    [
        ("plc", 1, None, []), ("plc", 0, None, []), ("plc", 0, 0, []),
        ("plc", 2, None, ["change_over"]), ("plc", 2, 0, ["change_over"]),  # nobody knows by which to judge it
        ("plc", 2, 2, []), ("plc", 2, 1, []), ("plc", 1, 9, ["recipe_unknown"]), ("plc", 9, None, ["recipe_unknown"]),
        ("station", 1, None, []), ("station", 2, None, ["change_over"]), ("station", 2, 2, ["change_over"]),
    ],
)  # fmt: skip
def test_who_says_which_recipe(master: str, asked: int, by_trigger: int | None, codes: list[str]) -> None:
    assert [why.code for why in change_over.why_not(gate(master, asked=asked), by_trigger)] == codes

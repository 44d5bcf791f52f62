"""An answer is believed only when it says something."""

import math

import pytest

from edge.gate.part import nonsense
from edge.messages import Inspected


def answer(verdict: str, score: float | None) -> Inspected:
    return Inspected(1, 1, verdict, score, 0, [], "plate", 1, 4711, [], [], {})


@pytest.mark.parametrize("score", [None, 0.0, 1e9])
def test_a_verdict_with_a_number_is_believed(score: float | None) -> None:
    assert nonsense(answer("OK", score)) is None


@pytest.mark.parametrize(("verdict", "score"), [("OK", math.nan), ("NG", math.inf), ("PERHAPS", 0.4), ("", None)])
def test_anything_else_is_named_and_never_applied(verdict: str, score: float | None) -> None:
    why = nonsense(answer(verdict, score))
    assert why is not None
    assert why.code == "engine_nonsense"


@pytest.mark.parametrize("verdict", ["OK", "NG", "RECHECK"])
def test_what_another_recipe_says_counts_for_nothing(verdict: str) -> None:
    assert nonsense(answer(verdict, 0.1), 1) is None
    assert nonsense(answer(verdict, 0.1), None) is None
    why = nonsense(answer(verdict, 0.1), 2)
    assert why is not None
    assert "recipe 1, latched for this part was 2" in why.text

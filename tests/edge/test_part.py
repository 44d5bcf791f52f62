"""An answer is believed only when it says something."""

import math

import pytest

from edge.gate.part import nonsense
from edge.messages import Inspected, Picture, ToolResult

SHA256 = "4711" * 16
PICTURE = Picture("top", "0" * 64, 8, 8, 1, 0, 0, "device", None, None, None, 0)


def tool(verdict: str, camera: str = "top") -> ToolResult:
    return ToolResult("surface", camera, "f" * 64, verdict, None, "defect", "major", 0.1, 0.5, None, [], {})


def answer(verdict: str, score: float | None, *tools: ToolResult) -> Inspected:
    return Inspected(1, 1, 0, verdict, score, 0, [], "plate", 1, SHA256, [PICTURE], list(tools or [tool(verdict)]), {})


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


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([tool("OK"), tool("NG")], "tool surface said 'NG'"),
        ([tool("OK"), tool("NOT_INSPECTED")], "said 'NOT_INSPECTED'"),
        ([tool("OK"), tool("OK", "side")], "had no picture of camera side"),
    ],
)
def test_an_ok_needs_an_ok_of_every_tool_on_a_picture(tools: list[ToolResult], said: str) -> None:
    why = nonsense(answer("OK", 0.1, *tools))
    assert why is not None
    assert said in why.text


def test_an_ok_without_a_tool_is_no_ok() -> None:
    nothing = Inspected(1, 1, 0, "OK", 0.1, 0, [], "plate", 1, SHA256, [PICTURE], [], {})
    why = nonsense(nothing)
    assert why is not None
    assert "no tool" in why.text

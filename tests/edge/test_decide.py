"""Class → severity → verdict, and reasons in words and place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.engine.decide import decide
from edge.engine.regions import RegionOutside, seen, whole
from edge.recipe import Recipe, Tool, read_recipe
from edge.settings import CameraSettings
from models.inspection import Inspection
from vocabulary import Finding, Reason, SettingsError, Verdict

CLASSES = [
    {"name": "crack", "number": 7, "severity": "critical"},
    {"name": "dent", "number": 3, "severity": "major"},
    {"name": "stain", "number": 2, "severity": "minor"},
    {"name": "haze", "number": 9, "severity": "cosmetic"},
]


def recipe(tools: list[dict[str, Any]], **more: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "r", "number": 1, "product": "p",
            "line": {"takt_s": 1, "deadline_ms": 100, "exposure_window_ms": 100},
            "tools": [{"camera": "top", "package": "p.jdk", **tool} for tool in tools],
            **more,
        }
    )  # fmt: skip


def found(verdict: Verdict) -> Inspection:
    boxes = [] if verdict in (Verdict.OK, Verdict.NOT_INSPECTED) else [Finding((5, 6, 7, 8), 0.9, 40)]
    return Inspection(verdict, [Reason("score_above_limit", "score 0.9")], 0.9, None, boxes, None)


@pytest.mark.parametrize(
    ("name", "ng", "grey"),
    [("crack", "NG", "RECHECK"), ("dent", "NG", "RECHECK"), ("stain", "RECHECK", "RECHECK"), ("haze", "OK", "OK")],
)
def test_a_defect_is_as_bad_as_its_class(name: str, ng: str, grey: str) -> None:
    its = recipe([{"defect_class": name}], classes=CLASSES)
    for verdict, expected in ((Verdict.NG, ng), (Verdict.RECHECK, grey)):
        decision = decide(its, its.tools[0], found(verdict))
        assert decision.verdict == expected
        assert decision.defect is not None
        assert decision.reasons[0].text.startswith(f"{name} ({decision.defect.severity}) at 5, 6 (7 × 8 px): ")


@given(st.sampled_from([one["name"] for one in CLASSES]), st.sampled_from([Verdict.OK, Verdict.NOT_INSPECTED]))
def test_no_class_makes_good_or_uninspected_parts_anything_else(name: Any, verdict: Verdict) -> None:
    its = recipe([{"defect_class": name}], classes=CLASSES)
    decision = decide(its, its.tools[0], found(verdict))
    assert (decision.verdict, decision.defect) == (verdict, None)


def test_a_recipe_may_be_stricter_but_never_lets_a_critical_or_major_defect_pass() -> None:
    its = recipe([{"defect_class": "haze"}], classes=CLASSES, severity={"cosmetic": "NG"})
    assert decide(its, its.tools[0], found(Verdict.NG)).verdict is Verdict.NG
    for severity, verdict in (("critical", "RECHECK"), ("critical", "OK"), ("major", "OK")):
        with pytest.raises(ValueError, match=severity):
            recipe([{}], severity={severity: verdict})


def test_a_regions_finding_is_named_in_the_whole_picture_and_by_its_tool() -> None:
    its = recipe([{"name": "left"}, {"name": "right", "region": [100, 50, 60, 40]}])
    (reason,) = decide(its, its.tools[1], found(Verdict.NG)).reasons
    assert reason.text == "right: score 0.9 at 105, 56 (7 × 8 px)"


@given(
    x=st.integers(0, 80), y=st.integers(0, 60), width=st.integers(1, 80), height=st.integers(1, 60),
    cell=st.sampled_from([1, 4, 8]),
)  # fmt: skip
def test_a_regions_map_lies_where_the_region_is(x: int, y: int, width: int, height: int, cell: int) -> None:
    tool = Tool.model_validate({"camera": "top", "package": "p", "region": [x, y, width, height]})
    image = np.arange(120 * 160, dtype=np.uint32).astype(np.uint8).reshape(120, 160)
    assert np.array_equal(seen(tool, image), image[y : y + height, x : x + width])
    scores = np.full((-(-height // cell), -(-width // cell)), 1.0, np.float32)
    full = whole(tool, scores, image.shape)
    assert full.sum() == scores.size
    rows, columns = np.nonzero(full)
    assert abs(rows.min() / full.shape[0] - y / 120) <= 2 / full.shape[0]
    assert abs(columns.min() / full.shape[1] - x / 160) <= 2 / full.shape[1]


def test_a_region_outside_the_picture_is_refused() -> None:
    tool = Tool.model_validate({"camera": "top", "package": "p", "region": [100, 0, 80, 10]})
    with pytest.raises(RegionOutside, match="outside the picture of 160 × 120"):
        seen(tool, np.zeros((120, 160), np.uint8))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('defect_class = "rust"', "no class 'rust': one of crack"),
        ("region = [0, 0, 0, 5]", "region"),
        ("region = [0, 0, 5]", "region"),
        ("region = [-1, 0, 5, 5]", "region"),
    ],
)
def test_wrong_tools_are_refused_by_field(tmp_path: Path, change: str, said: str) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "recipe.toml").write_text(
        f"""name = "r"
number = 1
product = "p"
line = {{takt_s = 1, deadline_ms = 100, exposure_window_ms = 100}}
[[tools]]
camera = "top"
package = "p.jdk"
{change}
[[classes]]
name = "crack"
number = 1
severity = "major"
"""
    )
    with pytest.raises(SettingsError, match=said):
        read_recipe(folder, [CameraSettings(name="top", uri="sim:")])


def test_two_classes_with_one_number_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    one = '[[classes]]\nname = "{}"\nnumber = 4\nseverity = "major"\n'
    (folder / "recipe.toml").write_text(
        'name = "r"\nnumber = 1\nproduct = "p"\n'
        "line = {takt_s = 1, deadline_ms = 100, exposure_window_ms = 100}\n"
        '[[tools]]\ncamera = "top"\npackage = "p"\ndefect_class = "a"\n' + one.format("a") + one.format("b")
    )
    with pytest.raises(SettingsError, match="classes: number 4 is there twice"):
        read_recipe(folder, [CameraSettings(name="top", uri="sim:")])

"""Several cameras, regions and packages make one verdict; a change-over is latched and acknowledged."""

import subprocess
from pathlib import Path

import pytest

from edge.recorder.verify import read_account
from tests.line.conftest import JIDOKA, LATE, LineUnderTest

RIGHT = "80,0,80,120"  # the right half of the rendered plates


@pytest.fixture(scope="session")
def half(taught: Path) -> Path:
    """A package that was taught on the right half only, signed with the same key."""
    out = taught / "half.jdk"
    command = [
        *JIDOKA, "teach", "--data", str(taught / "taught.csv"), "--out", str(out), "--region", RIGHT, "--state",
        str(taught),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_two_cameras_three_tools_and_two_packages_make_one_verdict(line: LineUnderTest, half: Path) -> None:
    tools = [
        {"name": "whole", "camera": "top", "package": str(line.taught / "plate.jdk"), "defect_class": "haze"},
        {
            "name": "right", "camera": "top", "package": str(half), "region": [80, 0, 80, 120],
            "defect_class": "blotch",
        },
        {"name": "side", "camera": "side", "package": str(line.taught / "plate.jdk"), "defect_class": "haze"},
    ]  # fmt: skip
    classes = [
        {"name": "haze", "number": 9, "severity": "cosmetic"},
        {"name": "blotch", "number": 4, "severity": "major"},
    ]
    line.start_machine(24, takt_s=0.3, plan="parts.csv")
    cameras = [{"name": name, "uri": f"folder:{line.stage}"} for name in ("top", "side")]
    cycle = {"takt_s": 0.3, "deadline_ms": 180, "exposure_window_ms": 140}
    line.start_station(cameras=cameras, cycle=cycle, extra={"tools": tools, "classes": classes})
    result = line.finish()
    assert result["problems"] == []
    assert set(result["not_inspected"]) <= LATE
    judged = [row for row in line.rows() if row["verdict"] != "NOT_INSPECTED"]
    assert len(judged) > 12
    for row in judged:
        assert [picture["camera"] for picture in row["pictures"]] == ["top", "side"]
        assert [tool["tool"] for tool in row["tools"]] == ["whole", "right", "side"]
        right = row["tools"][1]
        assert row["verdict"] == right["verdict"]  # the others find what is only cosmetic
        for x, _, width, _, _ in right["findings"]:
            assert x >= 80
            assert x + width <= 160
    assert {row["verdict"] for row in judged} == {"OK", "NG"}
    by_part = {row["part"]: row["label"] for row in read_account(line.account)}
    passed_bad = [row for row in judged if row["verdict"] == "OK" and by_part[row["plc"]["part_id"]] == "ng"]
    for row in passed_bad:  # a blotch on the left half is only haze
        assert row["defect_class"] in (0, 9)
    assert {row["defect_class"] for row in judged if row["verdict"] == "NG"} == {4}
    texts = [why["text"] for row in judged if row["verdict"] == "NG" for why in row["reasons"]]
    assert any(text.startswith("right: blotch (major) at ") for text in texts)

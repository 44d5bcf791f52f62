"""Several cameras, regions and packages make one verdict; a change-over is latched and acknowledged."""

import subprocess
from pathlib import Path

import pytest

from edge.recorder.verify import read_account
from tests.line.conftest import JIDOKA, LATE, LineUnderTest, second_recipe, status, wait_until

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


def test_the_plc_changes_over_and_each_part_is_judged_by_the_recipe_latched_at_its_trigger(line: LineUnderTest) -> None:
    line.start_machine(30, "--fault", "recipe@1:1", "--fault", "recipe@12:2", "--fault", "recipe@22:1")
    line.write_station(plc={"uri": line.uri, "recipe_master": "plc"})
    second_recipe(line, **{"deadline_ms = 140": "deadline_ms = 100"})
    line.launch()
    result = line.finish()
    assert result["problems"] == []
    assert set(result["not_inspected"]) <= LATE
    used = {row["plc"]["part_id"]: row["recipe"]["number"] for row in line.rows() if row["recipe"]}
    assert all(number == (2 if 12 <= part < 22 else 1) for part, number in used.items())
    assert {row["plc"]["recipe"] for row in line.rows()} == {1, 2}
    deadlines = {1: [0], 2: [0]}
    for row in line.rows():
        deadlines[row["plc"]["recipe"]].append(row["deadline_us"])
    assert max(deadlines[2]) <= 100_000 < max(deadlines[1])  # each part by its own recipe's line


def test_recipes_of_different_exposure_change_over_without_losing_the_camera(
    line: LineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "1")
    line.start_machine(36, "--fault", "recipe@1:1", "--fault", "recipe@12:2", "--fault", "recipe@24:1")
    settings = {"pixel_format": "Mono8", "width": 160, "height": 120, "image_folder": str(line.stage)}
    line.write_station(
        plc={"uri": line.uri, "recipe_master": "plc"},
        cameras=[{"name": "top", "uri": "basler:", "settings": settings}],
        extra={"cameras": {"top": {"exposure_us": 1000}}},
    )
    second_recipe(line, **{"exposure_us = 1000": "exposure_us = 2500"})
    line.launch()
    result = line.finish()
    assert result["problems"] == []
    assert set(result["not_inspected"]) <= LATE
    seen = [(row["recipe"]["number"], one["exposure_us"]) for row in line.rows() for one in row["pictures"]]
    assert set(seen) == {(1, 1000.0), (2, 2500.0)}
    assert seen.index((2, 2500.0)) > 5


def test_a_recipe_that_is_not_there_keeps_the_station_from_being_ready(line: LineUnderTest) -> None:
    line.start_machine(12, "--fault", "recipe@6:9")
    line.write_station(plc={"uri": line.uri, "recipe_master": "plc"})
    line.launch()
    line.wait_for_parts(5)
    wait_until(lambda: "recipe_unknown" in [why["code"] for why in status(line)["unmet"]], "READY to go off")
    result = line.end_feeding()
    assert result["problems"] == []
    rows = line.rows()
    assert {row["recipe"]["number"] for row in rows if row["judged"] in ("OK", "NG")} == {1}


def test_while_the_plc_purges_nothing_is_judged(line: LineUnderTest) -> None:
    line.start_machine(30, "--fault", "purge@10:1.2")
    line.start_station()
    result = line.finish()
    assert result["problems"] == []
    assert "purge" in result["not_inspected"]
    assert set(result["not_inspected"]) <= {"purge"} | LATE
    assert line.inspects_again()
    purged = [row["part"] for row in line.rows() if "purge" in [why["code"] for why in row["reasons"]]]
    between = [row for row in line.rows() if purged[0] <= row["part"] <= purged[-1]]
    assert {row["verdict"] for row in between} == {"NOT_INSPECTED"}


def test_a_part_presented_again_is_linked_and_a_decided_one_is_not_judged_again(line: LineUnderTest) -> None:
    """Every fourth part is bad: 8 and 12 are. 9 comes again while nothing was judged, 8 after its NG."""
    faults = ["purge@9:0.1", "again@24:15", "again@26:18", "again@28:19"]
    line.start_machine(32, *[word for fault in faults for word in ("--fault", fault)])
    line.start_station(cycle={"most_attempts": 2})
    line.wait_for_parts(10)
    line.kill("gate")  # its successor knows them from the ledger
    result = line.finish()
    assert result["problems"] == []
    rows = {row["plc"]["number"]: row for row in line.rows()}
    assert rows[9]["verdict"] == "NOT_INSPECTED"
    again = rows[24]
    assert (again["plc"]["part_id"], again["attempt"], again["first_attempt"]) == (9, 2, rows[9]["part"])
    assert again["verdict"] in ("OK", "NG") or again["reasons"][0]["code"] in LATE
    for number, said in ((26, "judged NG already"), (28, "already")):
        assert rows[number]["verdict"] == "NOT_INSPECTED"
        assert rows[number]["reasons"][0]["code"] == "presented_again"
        assert said in rows[number]["reasons"][0]["text"]

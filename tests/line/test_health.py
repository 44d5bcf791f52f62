"""The light of a running station fades: first an alarm, then no verdict, and the figures are in every row."""

import csv
import json
import subprocess

import cv2
import numpy as np

from edge.recorder.verify import rows
from tests.line.conftest import JIDOKA, LATE, LineUnderTest, picture
from tests.line.test_commands import say

PARTS = 100
LEFT = 0.6  # of the light, at the last part


def write_fading(line: LineUnderTest) -> None:
    """Good parts under a light that fades."""
    folder = line.folder / "fading"
    folder.mkdir()
    with (folder / "parts.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "defect_type", "mask", "boxes", "split", "subset", "group", "extra"])
        for k, light in enumerate(np.linspace(1.0, LEFT, PARTS)):
            cv2.imwrite(str(folder / f"{k:03}.png"), np.asarray(picture(5000 + k, bad=False) * light, np.uint8))
            table.writerow([folder / f"{k:03}.png", "ok", "", "", "", "x", "test", f"fading{k}", ""])


def test_a_fading_light_is_an_alarm_before_it_costs_parts(line: LineUnderTest) -> None:
    write_fading(line)
    recipes = line.folder / "recipes" / "plate"
    recipes.mkdir(parents=True)
    command = [*JIDOKA, "recipe", "health", "--data", str(line.taught / "taught.csv"), "--out"]
    done = subprocess.run(
        [*command, str(recipes / "health.json"), "--json"], capture_output=True, text=True, check=True
    )
    health = {"reference": "health.json", "sha256": json.loads(done.stdout)["sha256"], "limits": {"light": [0.7, 1.3]}}
    line.start_machine(PARTS, plan=str(line.folder / "fading" / "parts.csv"))
    line.start_station(
        extra={"health": {"top": health}}, recording={"frames": 12, "on_alarms": ["picture_drifting"], "keep": 5}
    )
    line.wait_for_parts(15)
    assert say(line, "dump", why="what does it look like?")[0] == 0
    result = line.finish()
    assert result["problems"] == []
    dark = [row for row in line.rows() if "picture_dark" in [why["code"] for why in row["reasons"]]]
    assert len(dark) > 10
    assert {row["verdict"] for row in dark} == {"NOT_INSPECTED"}
    assert set(result["not_inspected"]) <= {"picture_dark"} | LATE
    assert all(row["pictures"][0]["health"]["light"] < 0.7 for row in dark)
    light = [row["pictures"][0]["health"]["light"] for row in line.rows() if row["pictures"]]
    assert light[0] > 0.9
    in_order = [json.loads(text) for _, text, _, _ in rows(line.state.ledger)]
    told = [n for n, row in enumerate(in_order) if row.get("key") == "picture_drifting"]
    first_dark = next(n for n, row in enumerate(in_order) if row["kind"] == "part" and row["part"] == dark[0]["part"])
    assert told[0] < first_dark
    assert "light has used" in in_order[told[0]]["text"]
    asked, alarmed = line.events("recording_written")
    assert "what does it look like?" in asked["why"]
    assert alarmed["why"] == "alarm picture_drifting"
    seen = {picture["sha256"] for row in line.rows() for picture in row["pictures"]}
    for one in (asked, alarmed):
        with (line.state.recordings / one["folder"] / "top" / "frames.csv").open(newline="") as file:
            recorded = list(csv.DictReader(file))
        assert len(recorded) == one["pictures"] == 12
        assert {row["sha256"] for row in recorded} <= seen

"""Parts come faster than the engine judges: what can't be judged in time is shed by name, the others are in time."""

import json
import urllib.request

import pytest

from tests.line.conftest import LATE, LineUnderTest, wait_until

TOOLS = 8  # looks at each picture: longer than TAKT_S on any machine that runs this
TAKT_S, DEADLINE_MS, LEAST_LEFT_MS = 0.1, 340, 230


def start(line: LineUnderTest, order: list[str]) -> None:
    wire = line.folder / "wire"
    words = ["--wire", str(wire), "--reset-after-s", "0.3", "--deadline-ms", str(DEADLINE_MS + 20)]
    line.start_machine(1_000_000, *words, takt_s=TAKT_S)
    camera = {"name": "top", "uri": f"simwire:{wire}?stage={line.stage}", "trigger_source": "encoder"}
    package = str(line.taught / "plate.jdk")
    tools = [{"name": f"look{k}", "camera": "top", "package": package} for k in range(TOOLS)]
    cycle = {"takt_s": TAKT_S, "deadline_ms": DEADLINE_MS, "exposure_window_ms": 45, "least_spacing_counts": 90}
    shedding = {"order": order, "least_left_ms": LEAST_LEFT_MS}
    line.start_station(
        cycle, extra={"tools": tools, "shedding": shedding}, cameras=[camera], pictures={"keep_ok_share": 1}
    )


def test_what_cannot_be_judged_in_time_is_shed_and_the_others_are_judged(line: LineUnderTest) -> None:
    start(line, ["ok_pictures", "parts"])
    line.wait_for_parts(1)
    wait_until(lambda: [row for row in line.events("alarm_raised") if row["key"] == "shed"], "the alarm", 60)
    with urllib.request.urlopen(line.endpoints()["web"]["url"] + "/metrics", timeout=5) as answer:
        metrics = dict(row.rsplit(" ", 1) for row in answer.read().decode().splitlines() if not row.startswith("#"))
    assert float(metrics['jidoka_shed_total{what="parts"}']) > 0
    assert float(metrics['jidoka_shed_total{what="ok_pictures"}']) > 0
    result = line.end_feeding()
    assert result["problems"] == []
    assert set(result["not_inspected"]) <= LATE | {"shed", "join_ambiguous"}
    assert result["not_inspected"]["shed"] > 0
    shed = [row for row in line.rows() if row["reasons"] and row["reasons"][0]["code"] == "shed"]
    assert {row["verdict"] for row in shed} == {"NOT_INSPECTED"}
    assert [row for row in shed if "asked" in row["laps_us"] or row["pictures"]] == []  # the engine never saw them
    kept = {path.stem for path in line.state.pictures.rglob("*.png")}
    seen = {verdict: {one["sha256"] for row in line.rows() if row["verdict"] == verdict for one in row["pictures"]}
            for verdict in ("OK", "NG")}  # fmt: skip
    assert seen["OK"] - kept  # given up, although all were to be kept
    assert seen["NG"] <= kept
    verdicts = [row["verdict"] for row in line.rows()]
    assert verdicts.count("OK") > 10
    assert verdicts.count("NG") > 1


@pytest.mark.parametrize("order", [[], ["ok_pictures"]])
def test_without_leave_no_part_is_shed(line: LineUnderTest, order: list[str]) -> None:
    start(line, order)
    line.wait_for_parts(25)
    result = line.end_feeding()
    assert result["problems"] == []
    assert "shed" not in result["not_inspected"]
    assert json.dumps(line.rows()).count('"engine_') > 0  # they leave by their deadline instead

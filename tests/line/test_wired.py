"""A camera that the line fires itself: every frame is joined to its own trigger, or to none."""

from typing import Any

import pytest

from edge.recorder.verify import read_account
from tests.line.conftest import LATE, LineUnderTest

SOURCES = ["plc_wired", "sensor_wired", "encoder"]
CASES = [  # fault at part 8, source, whether parts are lost to it
    ("trigger_missing@8", "encoder", True),
    ("exposure_missing@8", "encoder", True),
    ("exposure_lost@8", "encoder", True),
    ("trigger_late@8:0.16", "encoder", False),  # the encoder count was latched by the sensor
    ("trigger_late@8:0.16", "sensor_wired", True),
    ("trigger_doubled@8", "sensor_wired", True),
    ("exposure_doubled@8", "sensor_wired", True),
    ("exposure_late@8:0.16", "plc_wired", True),
]


def start(line: LineUnderTest, source: str, *faults: str, parts: int = 26) -> None:
    wire = line.folder / "wire"
    words = [word for fault in faults for word in ("--fault", fault)]
    line.start_machine(parts, "--wire", str(wire), "--reset-after-s", "0.3", *words)
    camera = {"name": "top", "uri": f"simwire:{wire}?stage={line.stage}", "trigger_source": source}
    line.start_station(cameras=[camera])


@pytest.mark.parametrize("source", SOURCES)
def test_every_part_is_judged_from_its_own_picture(line: LineUnderTest, source: str) -> None:
    start(line, source)
    result = line.finish()
    assert result["problems"] == []
    assert set(result["not_inspected"]) <= LATE | {"join_ambiguous"}
    assert result["rows_with_picture"] >= 13


@pytest.mark.parametrize(("fault", "source", "costs"), CASES)
def test_a_fault_at_the_sensor_costs_parts_never_a_wrong_picture(
    line: LineUnderTest, fault: str, source: str, costs: bool
) -> None:
    """From the fault on nothing is judged until the belt was empty once (a gap before part 18); then everything is."""
    start(line, source, fault, "gap@18:2.5")
    result = line.finish()
    assert bool(result["not_inspected"]) is costs
    rows: list[dict[str, Any]] = read_account(line.account)
    assert [row["verdict"] for row in rows[:7]].count("NOT_INSPECTED") == 0
    assert all(row["verdict"] in ("OK", "NG") for row in rows[-7:])
    assert result["problems"] == []

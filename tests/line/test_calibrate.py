"""The offset of a wired camera, measured at the machine and put into station.toml; the station then joins by it."""

import json
import subprocess
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.calibrate import U32, Exposed, Fired, Offset, agreed, offsets
from edge.command import audit_rows
from edge.recorder.verify import read_account
from tests.line.conftest import JIDOKA, LATE, LineUnderTest

AFTER_S = 0.11  # the camera's own edge: more than half of half the takt, so without its offset nothing fits
QUIET_NS = 1000


def calibrate(line: LineUnderTest, *more: str) -> tuple[int, dict[str, Any], str]:
    command = [*JIDOKA, "camera", "calibrate", str(line.folder / "station.toml"), "top"]
    command += ["--state", str(line.state.root), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def write_station(line: LineUnderTest, source: str) -> None:
    uri = f"simwire:{line.folder / 'wire'}?stage={line.stage}"
    cycle = {"takt_s": 0.3, "deadline_ms": 280}  # the exposure comes AFTER_S into it
    line.write_station(cycle, cameras=[{"name": "top", "uri": uri, "trigger_source": source}])


@pytest.mark.parametrize("source", ["sensor_wired", "encoder"])
def test_a_camera_behind_the_sensor_is_measured_and_then_inspects(line: LineUnderTest, source: str) -> None:
    line.start_machine(
        8, "--wire", str(line.folder / "wire"), "--wire-after-s", str(AFTER_S), "--fault", "exposure_doubled@3",
        takt_s=0.6,
    )  # fmt: skip
    write_station(line, source)
    path = line.folder / "station.toml"
    path.write_text("# ours\n" + path.read_text())
    assert line.machine is not None
    line.machine.kill()
    line.machine.communicate()
    at = line.machine_command.index("--wait-ready-s")
    without_vision = [*line.machine_command[:at], *line.machine_command[at + 2 :]]
    line.machine = line.popen(without_vision)
    code, found, _ = calibrate(line, "--parts", "5", "--quiet-s", "0.25", "--for-s", "40", "--write")
    assert code == 0
    assert found["left_out"] == ["1 triggers and 2 frames together"]
    its = tomllib.loads(path.read_text())["cameras"][0]
    assert path.read_text().startswith("# ours\n")
    assert its[found["field"]] == found["value"]
    if source == "sensor_wired":
        assert found["value"] == pytest.approx(AFTER_S * 1e3, abs=15)
    line.machine.communicate()
    assert {row["routed"] for row in read_account(line.account)} == {"rejected"}  # nobody said OK
    (said,) = audit_rows(line.state)["rows"]
    assert (said["what"], said["name"], said["parts"]) == ("calibrate", "top", 5)

    line.account = line.folder / "inspected.jsonl"  # the ledger begins with the station's first start
    for option, value in [
        ("--account", str(line.account)),
        ("--parts", "18"),
        ("--takt-s", "0.3"),
        ("--fault", "gap@1:1"),
    ]:
        line.machine_command[line.machine_command.index(option) + 1] = value
    line.machine = line.popen(line.machine_command)
    line.launch()
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 18
    assert sum(row["verdict"] in ("OK", "NG") for row in line.rows()) >= 8
    assert set(result["not_inspected"]) <= LATE | {"join_ambiguous", "gate_restarted", "trigger_gap"}


def test_what_can_not_be_calibrated_is_said(line: LineUnderTest) -> None:
    line.start_machine(1)
    line.write_station()
    assert calibrate(line)[0] == 2
    assert "trigger_source software" in calibrate(line)[2]
    write_station(line, "encoder")
    code, _, err = calibrate(line, "--for-s", "1", "--parts", "3")
    assert code == 1
    assert "0 of 3 parts came alone in 1 s (no trigger and no frame came)" in err
    assert "trigger_offset" not in (line.folder / "station.toml").read_text()


@given(
    offset=st.integers(-400, 400),
    start=st.sampled_from([0, U32 - 700]),
    jitter=st.lists(st.integers(0, 9), min_size=3, max_size=8),
)
def test_the_offset_lies_between_what_all_parts_say(offset: int, start: int, jitter: list[int]) -> None:
    """Each trigger is seen up to 10 after it happened; the encoder wraps between the parts."""
    events: list[Fired | Exposed] = []
    for n, late in enumerate(jitter):
        happened = start + n * 500
        seen = happened + late
        events.append(Fired((seen - 10) % U32, seen % U32, n * 5000))
        events.append(Exposed((happened + offset) % U32, n * 5000 + 300))
    found, refused = offsets(events, QUIET_NS, wraps=True)
    assert refused == []
    assert len(found) == len(jitter)
    assert all(one.low <= offset <= one.high for one in found)
    its = agreed(found, 250)
    assert abs(its["offset"] - offset) <= 10
    assert its["worst"] == 0


def test_parts_that_disagree_are_seen() -> None:
    assert agreed([Offset(0, 2), Offset(100, 102), Offset(1, 3)], 100)["of_half"] > 0.9

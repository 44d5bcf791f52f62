"""The line stops, holds or warns when a part leaves otherwise than it was told, and goes on after a reset."""

import subprocess
from typing import Any

import pytest

from benchmarks.rig import PlcView
from edge.recorder.verify import read_account, verify
from tests.line.conftest import JIDOKA, LineUnderTest, wait_until


def reactions(line: LineUnderTest) -> list[dict[str, Any]]:
    """The alarms that a rule of the line raised: a busy machine may add its own (slow transport, pictures not kept)."""
    return [row for row in line.events("alarm_raised") if "on" in row]


def raised(line: LineUnderTest) -> list[tuple[str, str]]:
    return [(row["on"], row["do"]) for row in reactions(line)]


def test_a_jammed_rejecter_is_seen_stops_the_line_and_is_in_the_ledger(line: LineUnderTest) -> None:
    line.start_machine(20, "--fault", "jam@8", "--reset-after-s", "0.5")  # every fourth part is bad
    line.start_station()
    result = line.finish()
    assert result["problems"] == ["part 8 (trigger 8): passed although the ledger has NG"]
    assert raised(line) == [("escape_seen", "stop")]
    assert "part 8 had NG" in reactions(line)[0]["text"]
    assert [row["on"] for row in line.events("alarm_reset")] == ["escape_seen"]
    assert result["triggers"] == 20  # it went on after the reset
    assert line.inspects_again()


@pytest.mark.parametrize(("fault", "on"), [("misfire@6", "reject_after_ok"), ("unseen@6", "unconfirmed")])
def test_what_the_sensors_behind_the_rejecter_say_is_held_against_the_verdict(
    line: LineUnderTest, fault: str, on: str
) -> None:
    line.start_machine(16, "--fault", fault)
    line.start_station()
    result = line.finish()
    assert result["problems"] == []
    assert raised(line) == [(on, "alarm")]
    assert "part 6" in reactions(line)[0]["text"]


def test_a_recipe_may_stop_the_line_for_bad_parts_in_a_row(line: LineUnderTest) -> None:
    """Every fourth part is bad: two of the last five."""
    line.start_machine(16, "--reset-after-s", "0.3")
    line.start_station(reactions=[{"on": "NG", "count": 2, "within": 5, "do": "stop"}])
    result = line.finish()
    assert result["problems"] == []
    assert set(raised(line)) == {("NG", "stop")}
    assert len(line.events("alarm_reset")) >= 1
    assert result["triggers"] == 16


def test_an_escape_is_seen_although_the_gate_was_killed_while_the_part_travelled(line: LineUnderTest) -> None:
    line.start_machine(24, "--travel-s", "1.5", "--reset-after-s", "0.5", "--fault", "jam@8")
    line.start_station()
    line.wait_for_parts(1)
    wait_until(lambda: any(row["plc"]["part_id"] == 8 and row["verdict"] == "NG" for row in line.rows()), "part 8")
    line.kill("gate")
    result = line.finish()
    assert "part 8 (trigger 8): passed although the ledger has NG" in result["problems"]
    assert ("escape_seen", "stop") in raised(line)
    found = verify(line.state.ledger)
    assert found["left_otherwise"] == 1
    assert "part id 8 was seen as passed, it had NG" in found["problems"][0]


def test_a_bypass_asked_for_behind_an_ng_releases_it_not(line: LineUnderTest) -> None:
    line.start_machine(1_000_000, "--travel-s", "1.5", "--bypass-key")
    line.start_station()
    line.wait_for_parts(1)
    wait_until(lambda: any(row["verdict"] == "NG" for row in line.rows()), "an NG part")
    command = ["station", "mode", "BYPASS", "--for-s", "3", "--why", "test", "--state", str(line.state.root)]
    assert subprocess.run([*JIDOKA, *command], capture_output=True, check=False).returncode == 0
    wait_until(lambda: "hold" in {row["routed"] for row in read_account(line.account)}, "parts released by the key")
    result = line.end_feeding()
    assert result["problems"] == []
    assert verify(line.state.ledger)["left_otherwise"] == 0
    assert {row["routed"] for row in read_account(line.account) if row["verdict"] == "NG"} == {"rejected"}


def test_the_plc_is_told_for_a_while_that_triggers_were_missed(line: LineUnderTest) -> None:
    line.start_machine(1_000_000)
    line.start_station()
    line.wait_for_parts(6)
    plc = PlcView(line.uri)
    assert not plc.bit("missed_trigger")
    line.kill("gate")
    wait_until(lambda: plc.bit("missed_trigger"), "the bit")
    wait_until(lambda: not plc.bit("missed_trigger"), "its end")
    plc.sock.close()
    assert line.end_feeding()["problems"] == []


def test_a_plc_that_counts_other_rejects_than_its_sensors_see_is_an_alarm(line: LineUnderTest) -> None:
    line.start_machine(24, "--fault", "miscount@8:10")
    line.start_station()
    plc = PlcView(line.uri)
    wait_until(lambda: plc.fault_code() == 407, "the PLC's screen to name the mismatch")
    plc.close()
    result = line.finish()
    assert result["problems"] == []
    assert raised(line) == [("counter_mismatch", "alarm")]
    assert "the PLC counts 1" in reactions(line)[0]["text"]
    asked = subprocess.run(
        [*JIDOKA, "ledger", "reconcile", str(line.state.ledger)], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 1
    assert "reconciled: False" in asked.stdout
    assert "rejects since part" in asked.stdout

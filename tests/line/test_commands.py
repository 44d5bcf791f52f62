"""What people may ask of a running station, through the command line: audited, limited in time, and never an OK."""

import json
import subprocess
from typing import Any

import pytest

from edge.command import ask, greet
from edge.messages import Command
from edge.recorder.verify import read_account
from tests.line.conftest import JIDOKA, LATE, LineUnderTest, second_recipe, status, wait_until

LONG = 1_000_000  # parts: until the test has seen what it wants


def say(line: LineUnderTest, *words: str, why: str | None = "test") -> tuple[int, dict[str, Any], str]:
    """`jidoka station …`: exit code, result, error line."""
    reason = [] if why is None else ["--why", why, "--who", "kaya"]
    command = [*JIDOKA, "station", *words, *reason, "--state", str(line.state.root), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}, done.stderr


def test_observe_and_back_are_in_the_rows_the_audit_trail_and_the_events(line: LineUnderTest) -> None:
    line.start_machine(LONG, "--observe-key")
    line.start_station()
    line.wait_for_parts(5)
    assert say(line, "mode", "observe", why="trial of a new light")[0] == 0
    line.wait_for_parts(25)
    assert say(line, "mode", "AUTO", why="trial is over")[0] == 0
    line.wait_for_parts(len(read_account(line.account)) + 8)
    result = line.end_feeding()
    assert result["problems"] == []
    modes = [row["mode"] for row in line.rows()]
    assert set(modes) == {"AUTO", "OBSERVE"}
    assert modes[0] == modes[-1] == "AUTO"
    assert not [row for row in line.rows() if row["mode"] == "OBSERVE" and row["verdict"] == "OK"]
    assert "hold" in {row["routed"] for row in read_account(line.account)}
    done = line.events("command_done")
    assert [(row["who"], row["why"]) for row in done] == [("kaya", "trial of a new light"), ("kaya", "trial is over")]
    code, trail, _ = say(line, "audit", why=None)
    assert code == 0
    assert [row["what"] for row in trail["rows"]] == ["mode", "outcome", "mode", "outcome"]
    assert [row["audit"] for row in done] == [1, 3]


def test_setup_forces_for_a_time_with_the_plcs_leave_and_never_an_ok(line: LineUnderTest) -> None:
    line.start_machine(LONG, "--allow-setup")
    line.start_station()
    line.wait_for_parts(4)
    assert "only in SETUP" in say(line, "force", "verdict=NG")[1]["text"]
    assert "for how long" in say(line, "mode", "SETUP")[1]["text"]
    assert say(line, "mode", "SETUP", "--for-s", "14")[0] == 0
    code, answer, _ = say(line, "force", "verdict=OK")
    assert (code, answer["done"]) == (1, False)
    assert "one of ready=on|off" in answer["text"]
    assert say(line, "force", "verdict=RECHECK", "--for-s", "8")[0] == 0
    assert status(line)["forced"] == {"verdict": "RECHECK"}
    wait_until(lambda: not status(line)["forced"], "forcing to end by itself")
    wait_until(lambda: status(line)["mode"] == "AUTO", "SETUP to end by itself")
    wait_until(line.inspects_again, "verdicts")
    result = line.end_feeding()
    assert result["problems"] == []
    setup = [row for row in line.rows() if row["mode"] == "SETUP"]
    assert {"RECHECK", "NOT_INSPECTED"} >= {row["verdict"] for row in setup}
    forced = [row for row in setup if row["verdict"] == "RECHECK"]
    assert forced
    assert all(row["reasons"][0]["code"] == "forced" for row in forced)
    assert line.inspects_again()
    assert len(line.events("mode_ended")) == 2
    assert len(line.events("command_refused")) == 3


def test_a_killed_gate_stays_in_the_mode_that_it_was_in(line: LineUnderTest) -> None:
    line.start_machine(LONG, "--observe-key")
    line.start_station()
    line.wait_for_parts(4)
    assert say(line, "mode", "OBSERVE")[0] == 0
    line.kill("gate")
    line.wait_for_parts(len(read_account(line.account)) + 25)
    result = line.end_feeding()
    assert result["problems"] == []
    judged = [row["mode"] for row in line.rows() if row["judged"] in ("OK", "NG")]
    assert judged[-5:] == ["OBSERVE"] * 5


def test_without_the_plcs_key_or_a_reason_nothing_is_done(line: LineUnderTest) -> None:
    line.start_machine(LONG)
    line.start_station()
    line.wait_for_parts(3)
    for mode, bit in (("SETUP", "allow_setup"), ("BYPASS", "bypass_key")):
        code, answer, _ = say(line, "mode", mode, "--for-s", "60")
        assert code == 1
        assert bit in answer["text"]
    code, _, error = say(line, "mode", "OBSERVE", why=" ")
    assert code == 2
    assert "audit trail" in error
    assert "one of OFFLINE" in say(line, "mode", "TURBO")[1]["text"]
    result = line.end_feeding()
    assert result["problems"] == []
    assert {row["mode"] for row in line.rows()} == {"AUTO"}


def test_bypass_is_keyed_and_timed_and_recorded_as_hold(line: LineUnderTest) -> None:
    line.start_machine(LONG, "--bypass-key")
    line.start_station()
    line.wait_for_parts(3)
    assert say(line, "mode", "BYPASS", "--for-s", "2")[0] == 0
    wait_until(lambda: status(line)["mode"] == "AUTO", "BYPASS to end by itself")
    wait_until(line.inspects_again, "verdicts")
    result = line.end_feeding()
    assert result["problems"] == []
    bypassed = [row for row in line.rows() if row["mode"] == "BYPASS"]
    assert bypassed
    assert {row["disposition"] for row in bypassed} == {"HOLD"}
    assert "hold" in {row["routed"] for row in read_account(line.account)}
    assert line.inspects_again()


def test_an_acknowledged_alarm_lets_the_line_go_on(line: LineUnderTest) -> None:
    line.start_machine(20, "--fault", "jam@8")
    line.start_station()
    line.wait_for_parts(8)
    wait_until(lambda: "escape_seen" in [row["key"] for row in line.events("alarm_raised")], "the alarm")
    (alarm,) = [one for one in status(line)["alarms"] if one["latched"]]
    assert (alarm["key"], alarm["priority"], alarm["state"]) == ("escape_seen", 1, "unacknowledged")
    assert alarm["action"] == "stop, find the part, check the rejecter"
    line.kill("gate")  # the stop stays asked for
    wait_until(lambda: status(line)["alarms"], "the alarm after a restart of the gate")
    assert "can't be shelved" in say(line, "shelve", "escape_seen", "--for-s", "60")[1]["text"]
    for for_s in ("inf", "nan", "1e300"):
        assert say(line, "shelve", "escape_seen", "--for-s", for_s)[0] == 1
    assert "none of these stands" in say(line, "acknowledge", "nothing")[1]["text"]
    assert say(line, "acknowledge", "escape_seen", why="part is in the red box")[0] == 0
    result = line.finish()
    assert result["triggers"] == 20
    assert [row["by"] for row in line.events("alarm_acknowledged")] == ["kaya"]


def test_a_station_that_is_switched_on_again_stands_where_people_left_it(line: LineUnderTest) -> None:
    line.start_machine(LONG, "--fault", "jam@8", "--observe-key")
    line.write_station()
    second_recipe(line)
    line.launch()
    line.wait_for_parts(8)
    wait_until(lambda: "escape_seen" in [row["key"] for row in line.events("alarm_raised")], "the alarm")
    assert say(line, "mode", "OBSERVE", why="I do not trust the light")[0] == 0
    assert say(line, "recipe", "other", why="lot B")[0] == 0
    line.restart_station()
    wait_until(lambda: status(line)["recipe"] == "other", "the recipe that was asked for")
    now = status(line)
    assert now["wanted_mode"] == "OBSERVE"
    assert "escape_seen" in [one["key"] for one in now["alarms"] if one["latched"]]
    assert "held" in [why["code"] for why in now["unmet"]]
    assert say(line, "acknowledge", "escape_seen", why="found it")[0] == 0
    line.wait_for_parts(len(read_account(line.account)) + 5)
    line.restart_station()
    wait_until(lambda: status(line)["wanted_mode"] == "OBSERVE", "the station")
    assert "escape_seen" not in [one["key"] for one in status(line)["alarms"]]


def test_a_lost_camera_is_an_alarm_that_ends_when_it_is_back(line: LineUnderTest) -> None:
    line.start_machine(LONG)
    line.start_station()
    line.wait_for_parts(3)
    away = line.stage.with_name("away")
    line.stage.rename(away)
    wait_until(lambda: "camera_not_ready" in [one["key"] for one in status(line)["alarms"]], "the alarm")
    away.rename(line.stage)
    wait_until(
        lambda: [one["state"] for one in status(line)["alarms"] if one["key"] == "camera_not_ready"] == ["returned"],
        "the alarm to return",
    )
    assert say(line, "acknowledge", "camera_not_ready")[0] == 0
    assert "camera_not_ready" not in [one["key"] for one in status(line)["alarms"]]


def test_a_change_over_by_the_station_is_between_parts_and_acknowledged(line: LineUnderTest) -> None:
    line.start_machine(LONG)
    line.write_station()
    second_recipe(line)
    line.launch()
    line.wait_for_parts(8)
    assert "one of " in say(line, "recipe", "nothing")[1]["text"]
    assert say(line, "recipe", "other", why="next lot")[0] == 0
    wait_until(lambda: status(line)["recipe"] == "other", "the change-over")
    wait_until(lambda: [row for row in line.rows()[-3:] if row["recipe"]], "parts of the new recipe")
    result = line.end_feeding()
    assert result["problems"] == []
    used = [row["recipe"]["name"] for row in line.rows() if row["recipe"]]
    assert used == sorted(used, reverse=True)  # plate, then other, never back
    assert set(used) == {"plate", "other"}
    assert set(result["not_inspected"]) <= {"change_over"} | LATE


def test_a_parts_pictures_are_held_by_number_and_released(line: LineUnderTest) -> None:
    line.start_machine(LONG)
    line.start_station()
    line.wait_for_parts(8)
    row = wait_until(lambda: next((row for row in line.rows() if row["verdict"] == "NG"), None), "an NG part")
    code, answer, _ = say(line, "hold", str(row["part"]), why="customer asks")
    assert (code, answer["text"].split(": ")[1]) == (0, "1 of 1 pictures are kept, now as HELD")
    kept = json.loads(subprocess.run([*JIDOKA, "ledger", "pictures", str(line.state.root), "--json"],
                                     capture_output=True, text=True, check=True).stdout)  # fmt: skip
    assert kept["classes"]["HELD"] == 1
    assert "now as NG" in say(line, "hold", str(row["part"]), "--as", "")[1]["text"]
    assert "no such part" in say(line, "hold", "999999")[1]["text"]
    assert "one of HELD, GOLDEN" in say(line, "hold", str(row["part"]), "--as", "FOREVER")[1]["text"]
    assert line.end_feeding()["problems"] == []


def test_no_station_no_command(line: LineUnderTest) -> None:
    line.state.make()
    code, _, error = say(line, "mode", "OBSERVE")
    assert code == 2
    assert "no station runs here" in error
    assert not line.state.station_db.exists()


@pytest.mark.parametrize("words", [["audit"], ["status"]])
def test_a_station_that_never_was_has_no_trail_and_no_status(line: LineUnderTest, words: list[str]) -> None:
    line.state.make()
    command = [*JIDOKA, "station", *words, "--state", str(line.state.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("jidoka: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_command_too_long_for_the_ledger_is_refused_by_the_gate_itself(line: LineUnderTest) -> None:
    line.start_machine(LONG)
    line.start_station()
    line.wait_for_parts(3)
    gate = line.pid("gate")
    channel = greet(line.state, "command")
    answer = ask(channel, Command(1, 1, "", "kaya", "mode", "x" * 120_000, "", None, "why"))
    channel.close()
    assert answer is not None
    assert (answer.done, "at most 500" in answer.text) == (False, True)
    line.wait_for_parts(len(read_account(line.account)) + 3)
    assert line.pid("gate") == gate
    assert line.end_feeding()["problems"] == []

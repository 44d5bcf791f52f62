"""The whole chain: each trigger ends in one verdict and one row, whatever dies on the way."""

import hashlib
import json
import signal
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.recorder.verify import read_account, verify
from tests.line.conftest import JIDOKA, LATE, LineUnderTest, status, wait_until


def test_every_part_is_judged_and_all_accounts_agree(line: LineUnderTest) -> None:
    line.start_machine(30)
    line.start_station()
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == result["ledger_rows"] == 30
    assert set(result["not_inspected"]) <= LATE
    by_label = {
        label: [row["verdict"] for row in read_account(line.account) if row["label"] == label] for label in ("ok", "ng")
    }
    assert by_label["ng"].count("OK") == 0
    assert by_label["ok"].count("OK") > 15
    assert verify(line.state.ledger)["parts"] == 30
    answered = {row["part"]: row["laps_us"].get("answered", 0) for row in line.rows()}
    taken = [lap for row in [*line.rows(), *line.events("verdicts_taken")] for lap in row["taken"]]
    assert sorted(lap["part"] for lap in taken) == sorted(answered)
    assert all(answered[lap["part"]] < lap["written_us"] <= lap["consumed_us"] for lap in taken)


def test_nothing_passes_while_the_engine_is_killed_and_it_comes_back(line: LineUnderTest) -> None:
    line.start_machine(40)
    line.start_station()
    line.wait_for_parts(5)
    line.kill("engine")
    line.wait_for_parts(20)
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 40
    assert set(result["not_inspected"]) <= {"engine_absent", "engine_died", "camera_not_ready"} | LATE
    assert result["not_inspected"]
    assert line.inspects_again()


def test_parts_that_pass_while_the_gate_is_dead_are_rejected_and_get_their_rows(line: LineUnderTest) -> None:
    line.start_machine(40)
    line.start_station()
    line.wait_for_parts(5)
    line.kill("gate")
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 40
    assert line.inspects_again()
    assert verify(line.state.ledger)["parts"] == 40
    assert {row["plc"]["part_id"] for row in line.confirmations()} == set(range(1, 41))  # also what left meanwhile


def test_a_killed_recorder_costs_no_row(line: LineUnderTest) -> None:
    line.start_machine(40)
    line.start_station()
    line.wait_for_parts(5)
    line.kill("recorder")
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 40
    assert set(result["not_inspected"]) <= LATE


def test_gate_and_recorder_killed_together_lose_no_verdict_that_the_plc_took(line: LineUnderTest) -> None:
    line.start_machine(45)
    line.start_station()
    line.wait_for_parts(5)
    line.kill("recorder", signal.SIGSTOP)  # from here no row gets to disk
    line.wait_for_parts(12)
    line.kill("recorder")
    line.kill("gate")
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 45
    assert set(result["not_inspected"]) <= {"gate_restarted", "trigger_age_unknown"} | LATE
    assert verify(line.state.ledger)["parts"] == 45


def test_a_machine_that_is_killed_and_switched_on_again_is_accounted_for(line: LineUnderTest) -> None:
    line.start_machine(30)
    line.start_station()
    line.wait_for_parts(6)
    line.restart_machine()
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 30
    assert len({row["plc_epoch"] for row in read_account(line.account)}) == 2
    assert line.inspects_again()


def test_a_machine_restarted_unseen_while_the_gate_is_dead_is_accounted_for(line: LineUnderTest) -> None:
    """An epoch that no gate ever saw: its parts are counted by the retentive counter."""
    line.start_machine(30)
    line.start_station()
    line.wait_for_parts(5)
    line.kill("gate", signal.SIGSTOP)
    line.restart_machine(wait_for_vision=False)
    line.wait_for_parts(12)
    line.restart_machine()
    line.kill("gate", signal.SIGKILL)
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 30
    assert len({row["plc_epoch"] for row in read_account(line.account)}) == 3
    assert line.inspects_again()


@pytest.mark.parametrize("stall_s", ["0.16", "0.29"])
def test_a_machine_whose_scan_stalls_shows_no_part_to_the_trigger_of_another(line: LineUnderTest, stall_s: str) -> None:
    faults = [word for part in range(3, 24, 4) for word in ("--fault", f"stall@{part}:{stall_s}")]
    line.start_machine(26, *faults)
    line.start_station()
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 26


def test_a_trigger_that_the_plc_publishes_too_late_is_never_judged_from_the_next_picture(line: LineUnderTest) -> None:
    """The bad parts' triggers come when the next part is before the camera; the encoder tells."""
    faults = [word for part in (4, 8, 12, 16, 20) for word in ("--fault", f"trigger_late@{part}:0.1")]
    line.start_machine(24, *faults)
    line.start_station()
    result = line.finish()
    assert result["problems"] == []
    assert result["not_inspected"].get("trigger_late", 0) >= 3


def test_a_machine_replaced_by_one_that_counts_from_the_start_is_an_event_and_inspection_goes_on(
    line: LineUnderTest,
) -> None:
    line.start_machine(200)
    line.start_station()
    line.wait_for_parts(8)
    assert line.machine is not None
    line.machine.kill()
    line.machine.communicate()
    for file in (line.account, line.account.with_name("machine.jsonl.belt")):
        file.unlink()
    line.machine_command[line.machine_command.index("--parts") + 1] = "15"
    line.machine = line.popen(line.machine_command)
    line.finish()
    assert [row["on"] for row in line.events("alarm_raised") if "on" in row] == ["counter_mismatch"]
    assert "accounting begins anew" in line.events("counter_mismatch")[0]["text"]
    assert sum(row["verdict"] in ("OK", "NG") for row in read_account(line.account)) >= 10


def test_a_second_process_of_the_same_name_is_refused(line: LineUnderTest) -> None:
    line.start_machine(20)
    line.start_station()
    wait_until(lambda: line.state.endpoints.exists(), "the station")
    line.wait_for_parts(2)
    for name in ("gate", "recorder"):
        command = [*JIDOKA, "process", name, "--state", str(line.state.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert f"process {name} runs here already" in done.stderr
    assert line.finish()["problems"] == []


def test_an_engine_that_hangs_never_lets_a_part_pass(line: LineUnderTest) -> None:
    line.start_machine(30)
    line.start_station()
    line.wait_for_parts(5)
    line.kill("engine", signal.SIGSTOP)
    line.wait_for_parts(14)
    line.kill("engine", signal.SIGCONT)
    result = line.finish()
    assert result["problems"] == []
    assert result["not_inspected"]
    assert set(result["not_inspected"]) <= {"engine_silent"} | LATE
    assert line.inspects_again()


def test_swapped_pictures_are_found(line: LineUnderTest) -> None:
    line.start_machine(12, "--fault", "swap@5")
    line.start_station()
    result = line.finish()
    assert not result["reconciled"]
    assert any("was to be presented" in problem for problem in result["problems"])


def test_a_station_waits_for_a_plc_that_is_not_there_yet(line: LineUnderTest) -> None:
    line.start_machine(1)  # only to learn a free port
    assert line.machine is not None
    line.machine.kill()
    line.machine.communicate()
    line.account.unlink(missing_ok=True)
    line.start_station()
    wait_until(lambda: line.state.endpoints.exists(), "the station")
    gate_log = line.state.logs / "gate.jsonl"
    wait_until(lambda: gate_log.exists() and "plc lost" in gate_log.read_text(), "the gate to miss the PLC")
    line.machine_command[line.machine_command.index("--parts") + 1] = "10"
    line.machine = line.popen(line.machine_command)
    result = line.finish()
    assert result["problems"] == []
    assert result["triggers"] == 10


def test_a_picture_that_cannot_be_read_is_not_inspected_with_its_reason(line: LineUnderTest) -> None:
    line.start_machine(14)
    line.start_station(cameras=[{"name": "top", "uri": f"folder:{line.folder / 'broken'}"}])
    (line.folder / "broken").mkdir()
    for name in ("0.png", "1.png"):
        (line.folder / "broken" / name).write_bytes(b"no picture")
    result = line.finish()
    assert {row["verdict"] for row in line.rows()} == {"NOT_INSPECTED"}
    assert result["triggers"] == 14
    assert all("broken" in row["reasons"][0]["text"] for row in line.rows())
    assert {row["routed"] for row in read_account(line.account)} == {"rejected"}


def test_a_picture_of_another_size_is_not_inspected(line: LineUnderTest) -> None:
    wrong = line.folder / "wrong"
    wrong.mkdir()
    for name in ("0.png", "1.png"):
        (wrong / name).write_bytes(small_png())
    line.start_machine(6)
    line.start_station(cameras=[{"name": "top", "uri": f"folder:{wrong}"}])
    line.finish()
    assert {row["verdict"] for row in line.rows()} == {"NOT_INSPECTED"}
    assert all("size" in row["reasons"][0]["text"] for row in line.rows())


def small_png() -> bytes:
    return bytes(cv2.imencode(".png", np.random.default_rng(1).integers(60, 200, (40, 40)).astype(np.uint8))[1])


@pytest.mark.parametrize(("key", "disposition"), [(["--observe-key"], "HOLD"), ([], "reject")])
def test_provisional_limits_without_leave_observe_and_emit_no_ok(
    line: LineUnderTest, key: list[str], disposition: str
) -> None:
    line.start_machine(8, *key)
    line.start_station(allow_provisional=False)
    result = line.finish()
    assert result["problems"] == []
    rows = line.rows()
    assert {row["mode"] for row in rows} == {"OBSERVE"}
    assert {row["verdict"] for row in rows} == {"NOT_INSPECTED"}
    assert {row["disposition"] for row in rows} == {disposition}
    assert "OK" in {row["judged"] for row in rows}


@pytest.mark.parametrize("process", ["gate", "engine", "recorder", "web"])
def test_each_process_names_itself_in_the_endpoints_and_its_log(line: LineUnderTest, process: str) -> None:
    line.start_machine(1)
    line.start_station()
    wait_until(lambda: line.state.endpoints.exists(), "the endpoints file")
    pid = line.pid(process)
    cmdline = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert process.encode() in cmdline
    log = line.state.logs / f"{process}.jsonl"
    wait_until(lambda: log.exists() and log.read_text(), "its log")
    assert json.loads(log.read_text().splitlines()[0])["process"] == process


def test_a_camera_that_gives_the_same_picture_again_and_again_passes_nobody(line: LineUnderTest) -> None:
    still = line.folder / "still"
    still.mkdir()
    for name in ("0.png", "1.png"):
        (still / name).write_bytes((line.taught / "parts" / "000.png").read_bytes())
    line.start_machine(12)
    line.start_station(cameras=[{"name": "top", "uri": f"folder:{still}"}])
    line.finish()
    codes = [row["reasons"][0]["code"] for row in line.rows()]
    assert {row["verdict"] for row in line.rows()[1:]} == {"NOT_INSPECTED"}
    assert set(codes[1:]) <= {"picture_repeated"} | LATE
    assert "picture_repeated" in codes


def test_a_deadline_of_the_plc_shorter_than_what_the_certificate_proves_is_observe(line: LineUnderTest) -> None:
    line.start_machine(1_000_000, "--deadline-ms", "45", "--observe-key")
    line.write_station(allow_provisional=False)
    sha256 = hashlib.sha256((line.folder / "recipes" / "plate" / "recipe.toml").read_bytes()).hexdigest()
    its = {"recipe": "plate", "sha256": sha256, "packages": [], "cpu": "", "engine": "", "precision": "fp32",
           "threads": 1, "runs": 10_000, "deadline_ms": 140.0, "margin_ms": 40.0, "p50_ms": 1.0, "p99_ms": 2.0,
           "p999_ms": 3.0, "max_ms": 4.0, "policy": "", "load": 0.0, "utc": ""}  # fmt: skip
    line.state.certificates.mkdir()
    (line.state.certificates / "plate.json").write_text(json.dumps(its))
    line.launch()
    line.wait_for_parts(3)
    wait_until(lambda: "deadline_unproven" in [one["code"] for one in status(line)["banner"]], "the banner")
    assert status(line)["mode"] == "OBSERVE"
    assert line.end_feeding()["problems"] == []


def test_a_deadline_of_the_plc_shorter_than_the_way_to_it_is_said_and_ends_ready(line: LineUnderTest) -> None:
    line.start_machine(1_000_000, "--deadline-ms", "100")
    line.start_station(plc={"uri": line.uri, "transport_ms": 100})
    wait_until(lambda: "deadline_unproven" in [one["code"] for one in status(line)["unmet"]], "READY to go off")
    assert "no part can be judged in time" in " ".join(one["text"] for one in status(line)["banner"])
    assert line.end_feeding()["problems"] == []

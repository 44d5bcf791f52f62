"""A chain that is whole can still hide something: rows against one another, and the stand-alone checker agrees."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.recorder.ledger import Ledger
from edge.recorder.verify import export, verify

CHECKER = Path(__file__).parent.parent.parent / "docs" / "check_ledger.py"
Written = list[tuple[str, int | None, int, int, dict[str, Any]]]


def part(number: int, verdict: str = "OK", **more: Any) -> tuple[str, int | None, dict[str, Any]]:
    plc = {"epoch": 9, "number": number, "parts": number, "part_id": more.pop("part_id", number)}
    return "part", number, {"utc": "", "verdict": verdict, "judged": verdict, "disposition": "", "plc": plc} | more


def seen(part_id: int, what: str) -> tuple[str, int | None, dict[str, Any]]:
    return "confirmation", None, {"utc": "", "what": what, "plc": {"epoch": 9, "seq": 1, "part_id": part_id}}


def met(number: int, *, anew: bool) -> tuple[str, int | None, dict[str, Any]]:
    plc = {"epoch": 9, "number": number, "parts": number, "confirmed": 0}
    return "event", None, {"utc": "", "code": "plc_session", "text": "", "plc": plc, "anew": anew}


def found(folder: Path, rows: list[tuple[str, int | None, dict[str, Any]]], skip: int | None = None) -> dict[str, Any]:
    """What verify says of these rows, the writer's `skip`th left out; the checker without our code must agree."""
    path = folder / "l.sqlite"
    ledger = Ledger(path)
    ledger.append([(kind, its, 1, k, body) for k, (kind, its, body) in enumerate(rows, 1) if k != skip])
    ledger.close()
    export(path, folder / "l.jsonl")
    command = [sys.executable, "-I", "-S", CHECKER, folder / "l.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = verify(path)
    assert done.returncode == (1 if said["problem_count"] else 0), done.stdout
    assert done.stderr == ""
    return said


@pytest.mark.parametrize(
    ("told", "what", "fine"),
    [
        (part(1, "OK"), "passed", True), (part(1, "NG"), "rejected", True), (part(1, "OK"), "rejected", True),
        (part(1, "RECHECK"), "recheck lane", True), (part(1, "NOT_INSPECTED", disposition="HOLD"), "hold", True),
        (part(1, "NG"), "passed", False), (part(1, "NG"), "recheck lane", False),
        (part(1, "NG", disposition="reject"), "hold", False), (part(1, "NOT_INSPECTED"), "passed", False),
        (part(1, part_id=2), "passed", False), (part(1, part_id=0), "passed", False),
    ],
)  # fmt: skip
def test_each_part_leaves_as_it_was_told(tmp_path: Path, told: Any, what: str, fine: bool) -> None:
    said = found(tmp_path, [told, seen(1 if told[2]["plc"]["part_id"] else 0, what)])
    assert said["problem_count"] == said["left_otherwise"] == (0 if fine else 1)


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        ([part(1, "NG"), part(2, "OK", part_id=1)], 1),
        ([part(1, "NOT_INSPECTED", kept="NG"), part(2, "OK", part_id=1)], 1),
        ([part(1, "NG"), part(2, "NOT_INSPECTED", part_id=1), part(3, "OK", part_id=1)], 1),
        ([part(1, "RECHECK"), part(2, "OK", part_id=1)], 0),
        ([part(1, "NG", part_id=0), part(2, "OK", part_id=0)], 0),
    ],
)
def test_a_bad_part_is_not_tested_into_a_good_one(tmp_path: Path, rows: Any, problems: int) -> None:
    assert found(tmp_path, rows)["problem_count"] == problems


@pytest.mark.parametrize("skip", [1, 4, 9])
def test_a_row_taken_out_before_the_chain_was_written_anew_is_missed(tmp_path: Path, skip: int) -> None:
    said = found(tmp_path, [part(n) for n in range(1, 12)], skip=skip)
    assert said["problem_count"] >= 1
    assert f"its writer's row {skip} is missing" in said["problems"][0]


def test_triggers_without_a_row_are_counted_but_not_those_that_may_still_come(tmp_path: Path) -> None:
    rows = [met(0, anew=True), *[part(n) for n in range(1, 400) if n not in (5, 6, 390)]]
    said = found(tmp_path, rows)
    assert (said["triggers_without_row"], said["problem_count"]) == (2, 1)


def test_where_accounting_begins_anew_the_numbers_before_are_nobodys(tmp_path: Path) -> None:
    rows = [*[part(n) for n in range(1, 5)], met(50_000, anew=True), *[part(n) for n in range(50_001, 50_400)]]
    assert found(tmp_path, rows)["problem_count"] == 0


def test_rows_may_come_out_of_order(tmp_path: Path) -> None:
    assert found(tmp_path, [part(n) for n in (2, 1, 4, 5, 3, *range(6, 300))])["triggers_without_row"] == 0


def test_parts_that_nobody_saw_leave_are_counted(tmp_path: Path) -> None:
    said = found(tmp_path, [part(1), part(2), part(3), seen(2, "passed")])
    assert (said["not_seen_leaving"], said["problem_count"]) == (2, 0)

"""The ledger: chained, append only, one row per part and trigger."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.recorder.ledger import MIGRATIONS, RANGE, USER_VERSION, Ledger
from edge.recorder.verify import export, verify
from vocabulary import LedgerError


def body(number: int, verdict: str = "OK", epoch: int = 9) -> dict[str, Any]:
    return {
        "utc": "2026-01-01T00:00:00.000Z",
        "verdict": verdict,
        "plc": {"epoch": epoch, "number": number, "parts": 100 + number},
    }


def part(number: int, sequence: int, **more: Any) -> tuple[str, int, int, int, dict[str, Any]]:
    return ("part", number, 1, sequence, body(number, **more))


CHECKER = Path(__file__).parent.parent.parent / "docs" / "check_ledger.py"


def checked(*arguments: str | Path) -> tuple[int, str]:
    """The stand-alone checker, in an interpreter that can't see our code."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", CHECKER, *arguments], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_checker_without_our_code_verifies_an_export(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.append([part(n, n) for n in range(1, 30)])
    noted = ledger.head
    ledger.append([part(n, n) for n in range(30, 33)])
    ledger.close()
    exported = tmp_path / "l.jsonl"
    export(tmp_path / "l.sqlite", exported)
    assert checked(exported)[0] == 0
    assert "32 parts" in checked(exported, noted)[1]
    assert checked(exported, "f" * 64)[0] == 1
    lines = exported.read_text().splitlines(keepends=True)
    for damaged in (
        [*lines[:3], lines[3].replace("OK", "NG"), *lines[4:]],
        [*lines[:3], *lines[4:]],
        lines[1:],
        [*lines[:3], "{}\n"],
        [lines[0], lines[0]],
    ):
        exported.write_text("".join(damaged))
        assert checked(exported)[0] == 1
    exported.write_text("".join(lines[:28]))  # a tail cut off is found by a head that was noted elsewhere
    assert (checked(exported)[0], checked(exported, noted)[0]) == (0, 1)


CHANGES = [
    "UPDATE entry SET body = replace(body, 'NG', 'OK')",
    "UPDATE entry SET body = body || ' ' WHERE entry = 2",
    "UPDATE entry SET part = 77 WHERE entry = 2",
    "UPDATE entry SET kind = 'event' WHERE entry = 4",
    "DELETE FROM entry WHERE entry = 3",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_or_missing_row_is_found(tmp_path: Path, change: str) -> None:
    path = tmp_path / "l.sqlite"
    ledger = Ledger(path)
    ledger.append([part(n, n, verdict="NG") for n in range(1, 6)])
    ledger.close()
    assert verify(path)["parts"] == 5
    with sqlite3.connect(path) as db:
        db.executescript(change)
    db.close()
    with pytest.raises(LedgerError, match="row"):
        verify(path)


def test_a_record_sent_again_is_stored_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    assert len(ledger.append([part(1, 1), part(2, 2)])) == 2
    assert len(ledger.append([part(1, 1), part(2, 2), part(3, 3)])) == 1
    assert ledger.counts() == {"OK": 3}
    ledger.close()


def test_a_second_verdict_for_a_trigger_is_recorded_but_is_no_part_row(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.append([part(1, 1, verdict="NOT_INSPECTED")])
    (second,) = ledger.append([("part", 2, 2, 1, body(1, "OK"))])
    assert second["kind"] == "second_verdict"
    assert ledger.counts() == {"NOT_INSPECTED": 1}
    ledger.close()


def test_reserved_numbers_are_never_given_twice_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    ranges = []
    for _ in range(3):
        ledger = Ledger(path)
        ranges.append(ledger.reserve())
        ledger.close()
    assert ranges == [(1 + k * RANGE, (k + 1) * RANGE) for k in range(3)]


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(1, 60), min_size=1))
def test_holes_in_the_triggers_are_named_with_their_parts_counter(
    tmp_path_factory: pytest.TempPathFactory, have: set[int]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("holes") / "l.sqlite")
    ledger.append([part(n, n) for n in have])
    standing = ledger.standing()
    assert standing is not None
    assert (standing.plc_epoch, standing.number, standing.parts) == (9, max(have), 100 + max(have))
    assert dict(standing.missing) == {n: 100 + n for n in range(min(have), max(have)) if n not in have}
    ledger.close()


def test_a_hole_where_the_parts_counter_wraps_keeps_its_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    first, last = part(1, 1), part(4, 2)
    first[4]["plc"]["parts"], last[4]["plc"]["parts"] = 2**32 - 2, 1
    ledger.append([first, last])
    standing = ledger.standing()
    assert standing is not None
    assert standing.missing == [(2, 2**32 - 1), (3, 0)]


def test_only_the_last_plc_epoch_counts_for_the_standing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.append([part(50, 1, epoch=7), part(2, 2, epoch=8)])
    standing = ledger.standing()
    assert standing is not None
    assert (standing.plc_epoch, standing.number) == (8, 2)
    ledger.close()


def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerError, match="version 99"):
        Ledger(path)


def test_a_full_disk_leaves_the_ledger_as_it_was_and_the_records_can_be_given_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.append([part(1, 1)])
    (pages,) = ledger.db.execute("PRAGMA page_count").fetchone()
    ledger.db.execute(f"PRAGMA max_page_count = {pages}")
    many = [part(n, n) for n in range(2, 400)]
    with pytest.raises(LedgerError, match="full"):
        ledger.append(many)
    ledger.db.execute("PRAGMA max_page_count = 100000")
    assert len(ledger.append(many)) == 398
    ledger.close()
    assert verify(tmp_path / "l.sqlite")["parts"] == 399


def test_where_accounting_stands_is_known_before_the_first_part(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    assert ledger.standing() is None
    for sequence, parts in ((1, 500), (2, 700)):
        met = {"utc": "", "code": "plc_session", "text": "", "plc": {"epoch": 9, "number": 4, "parts": parts}}
        ledger.append([("event", None, 1, sequence, met)])
    standing = ledger.standing()
    assert standing is not None
    assert (standing.plc_epoch, standing.number, standing.parts, standing.missing) == (9, 4, 700, [])
    ledger.append([part(5, 3)])
    standing = ledger.standing()
    assert standing is not None
    assert (standing.number, standing.parts) == (5, 105)
    ledger.close()


def test_an_older_ledger_is_brought_up_to_date_and_its_rows_stay(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
    db.close()
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO entry (entry, kind, part, epoch, sequence, body, previous, hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                1,
                "part",
                1,
                1,
                1,
                *chained({**body(1), "entry": 1, "kind": "part", "part": 1, "epoch": 1, "sequence": 1}),
            ),
        )
    db.close()
    ledger = Ledger(path)
    assert ledger.db.execute("PRAGMA user_version").fetchone() == (USER_VERSION,)
    assert sum(ledger.counts().values()) == 1
    ledger.append([part(2, 2)])
    assert sum(ledger.counts().values()) == 2
    ledger.close()
    assert verify(path)["parts"] == 2


def chained(row: dict[str, Any]) -> tuple[str, str, str]:
    text = json.dumps(row, sort_keys=True, separators=(",", ":"))
    return text, "0" * 64, hashlib.sha256(("0" * 64 + text).encode()).hexdigest()


def test_a_ledger_of_newer_software_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "l.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerError, match="update Jidoka"):
        Ledger(tmp_path / "l.sqlite")


def event(sequence: int, code: str, **more: Any) -> tuple[str, None, int, int, dict[str, Any]]:
    return "event", None, 2, sequence, {"utc": "", "code": code, "text": "", **more}


def test_what_people_asked_for_holds_however_many_events_came_since(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    rule = ["escape_seen", 1, 1, "stop", ""]
    ledger.append([
        event(1, "command_done", asked={"what": "mode", "name": "OFFLINE", "value": ""}),
        event(2, "command_done", asked={"what": "recipe", "name": "b", "value": "2"}),
        event(3, "alarm_raised", key="escape_seen", rule=rule),
        event(4, "alarm_raised", key="unknown_part", rule=rule),
        event(5, "alarm_gone", key="unknown_part"),
        event(6, "alarm_raised", key="plc_lost"),
    ])  # fmt: skip
    ledger.append([event(n, "alarm_again", key="escape_seen") for n in range(7, 3000)])
    left = ledger.left_standing()
    ledger.close()
    assert (left.mode, left.recipe, [one["key"] for one in left.latched]) == ("OFFLINE", 2, ["escape_seen"])


def test_numbers_before_accounting_began_anew_are_no_holes(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.append([part(1, 1), part(2, 2)])
    plc = {"epoch": 9, "number": 60_000, "parts": 60_000, "confirmed": 77}
    ledger.append([("event", None, 1, 3, {"utc": "", "code": "plc_session", "text": "", "plc": plc, "anew": True})])
    ledger.append([part(60_001, 4), part(60_004, 5)])
    standing = ledger.standing()
    ledger.close()
    assert standing is not None
    assert [number for number, _ in standing.missing] == [60_002, 60_003]
    assert standing.confirmed == 77


def test_a_malformed_record_leaves_no_transaction_open(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    with pytest.raises(KeyError):
        ledger.append([part(1, 1), ("part", 2, 1, 2, {"utc": ""})])
    assert len(ledger.append([part(1, 1)])) == 1
    ledger.close()


def test_a_bad_part_whose_other_camera_failed_is_known_as_bad_to_the_next_gate(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    its = body(1, "NOT_INSPECTED") | {"judged": "NOT_INSPECTED", "kept": "NG"}
    its["plc"]["part_id"] = 5
    ledger.append([("part", 1, 1, 1, its)])
    standing = ledger.standing()
    ledger.close()
    assert standing is not None
    assert standing.presented == [(5, 1, 1, "NG")]

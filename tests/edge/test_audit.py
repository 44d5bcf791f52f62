"""The audit trail: chained, and named by the ledger, so that no row is changed, taken out or cut off unseen."""

import sqlite3
from pathlib import Path

import pytest

from edge.audit import Audit
from edge.command import audit_rows, ledger_head
from edge.recorder.ledger import Ledger
from edge.settings import StateFolder
from vocabulary import LedgerError


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """A trail of three commands; the ledger knows the second and the third."""
    state = StateFolder(tmp_path)
    state.make()
    audit = Audit(state.station_db)
    rows = [audit.append("kaya", "mode", name=name) for name in ("AUTO", "OBSERVE", "AUTO")]
    audit.close()
    ledger = Ledger(state.ledger)
    for sequence, (entry, digest) in enumerate(rows[1:], 1):
        body = {"utc": "", "code": "command_done", "text": "", "audit": entry, "audit_hash": digest}
        ledger.append([("event", None, 1, sequence, body)])
    ledger.close()
    return state


def edit(state: StateFolder, statement: str) -> None:
    with sqlite3.connect(state.station_db) as db:
        db.execute(statement)


def test_an_untouched_trail_is_whole(state: StateFolder) -> None:
    trail = audit_rows(state)
    assert trail["entries"] == 3
    assert [row["name"] for row in trail["rows"]] == ["AUTO", "OBSERVE", "AUTO"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit SET body = replace(body, 'kaya', 'mona') WHERE entry = 2", "row 2 was altered"),
        ("UPDATE audit SET body = replace(body, 'kaya', 'mona') WHERE entry = 3", "row 3 was altered"),
        ("DELETE FROM audit WHERE entry = 1", "row 1 was altered or is missing"),
        ("DELETE FROM audit WHERE entry = 3", "row 3 is not the one that the ledger names"),
        ("DELETE FROM audit", "row 2 is not the one that the ledger names"),
    ],
)
def test_what_was_changed_taken_out_or_cut_off_is_named(state: StateFolder, statement: str, said: str) -> None:
    edit(state, statement)
    with pytest.raises(LedgerError, match=said):
        audit_rows(state)


def test_a_trail_written_anew_is_not_the_one_that_the_ledger_names(state: StateFolder) -> None:
    state.station_db.unlink()
    audit = Audit(state.station_db)
    for name in ("AUTO", "AUTO", "AUTO"):
        audit.append("mona", "mode", name=name)
    assert audit.verify()["entries"] == 3
    audit.close()
    with pytest.raises(LedgerError, match="row 2 is not the one"):
        audit_rows(state)


def test_a_file_that_is_no_trail_is_refused_in_one_line(state: StateFolder) -> None:
    for left in state.root.glob("station.sqlite*"):
        left.unlink()
    state.station_db.write_bytes(b"no database at all, but long enough to look like one" * 40)
    with pytest.raises(LedgerError, match=r"station\.sqlite"):
        audit_rows(state)


def test_a_ledger_cut_after_a_command_is_found_by_the_audit_trail(state: StateFolder) -> None:
    audit = Audit(state.station_db)
    audit.append("kaya", "mode", name="AUTO", ledger=ledger_head(state))
    audit.close()
    assert audit_rows(state)["entries"] == 4
    with sqlite3.connect(state.ledger) as db:
        db.execute("DELETE FROM entry WHERE entry = (SELECT MAX(entry) FROM entry)")
    with pytest.raises(LedgerError, match="row 2 is not the one that audit row 4 names"):
        audit_rows(state)

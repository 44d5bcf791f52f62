"""Presented again: linked, limited, and a part once judged bad is never judged again."""

import pytest

from edge.gate import presented
from edge.gate.presented import Presented
from plc_io.handshake import Trigger
from vocabulary import Verdict


def trigger(part_id: int | None, plc_epoch: int = 7) -> Trigger:
    return Trigger(plc_epoch, 1, 1, part_id, None, None, 1, 0, None, None)


def test_only_what_was_not_decided_may_come_again_and_so_often() -> None:
    known = Presented()
    known.judged(trigger(5), 100, Verdict.RECHECK)
    assert known.attempt(trigger(5)) == (2, 100)
    assert known.refused(trigger(5), 2) is None
    assert "allows 1" in known.refused(trigger(5), 1).text
    known.judged(trigger(5), 101, Verdict.OK)
    assert "judged OK already" in known.refused(trigger(5), 9).text


def test_a_refused_attempt_does_not_wash_an_ng_away() -> None:
    known = Presented()
    known.judged(trigger(5), 100, Verdict.NG)
    known.judged(trigger(5), 101, Verdict.NOT_INSPECTED)
    assert "judged NG already" in known.refused(trigger(5), 9).text
    assert known.attempt(trigger(5)) == (3, 100)


@pytest.mark.parametrize("part_id", [None, 0])
def test_a_part_without_an_id_is_nobody(part_id: int | None) -> None:
    known = Presented()
    known.judged(trigger(part_id), 100, Verdict.NG)
    assert known.attempt(trigger(part_id)) == (1, None)
    assert known.refused(trigger(part_id), 1) is None


def test_another_plc_epoch_may_use_the_same_ids() -> None:
    known = Presented()
    known.judged(trigger(5), 100, Verdict.NG)
    assert known.refused(trigger(5, plc_epoch=8), 1) is None


def test_the_oldest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presented, "REMEMBERED", 3)
    known = Presented()
    for part_id in (1, 2, 3, 4):
        known.judged(trigger(part_id), 100 + part_id, Verdict.NG)
    assert known.refused(trigger(1), 1) is None
    assert all(known.refused(trigger(part_id), 1) for part_id in (2, 3, 4))


def test_a_new_gate_knows_from_the_ledger_what_the_old_one_knew() -> None:
    known = Presented()
    known.knows(7, [(5, 100, 1, "NG"), (5, 100, 2, "NOT_INSPECTED"), (6, 102, 1, "RECHECK")])
    assert "judged NG already" in known.refused(trigger(5), 9).text
    assert known.attempt(trigger(5)) == (3, 100)
    assert known.refused(trigger(6), 2) is None

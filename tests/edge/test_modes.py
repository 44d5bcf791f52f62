"""Modes: keyed, timed, and only AUTO may say OK; parts presented again; what outlives a killed gate."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate import standing
from edge.gate.alarms import Alarms
from edge.gate.journal import Journal, make
from edge.gate.modes import Modes
from edge.gate.part import judge
from edge.gate.presented import Presented
from edge.gate.reactions import Reactions
from edge.messages import Why
from plc_io.handshake import Trigger
from vocabulary import Mode, SettingsError, Verdict

S = 1_000_000_000


@given(
    mode=st.sampled_from(Mode), verdict=st.sampled_from(Verdict), lane=st.booleans(),
    forced=st.sampled_from([None, *[verdict.value for verdict in Verdict]]),
)  # fmt: skip
def test_only_auto_says_ok_and_only_of_an_ok_part(mode: Mode, verdict: Verdict, lane: bool, forced: str | None) -> None:
    judged = judge(mode, verdict, [Why("x", "y")], recheck_lane=lane, forced=forced)
    assert (judged.verdict is Verdict.OK) == (mode is Mode.AUTO and verdict is Verdict.OK)
    assert judged.judged is verdict
    if mode is Mode.SETUP and forced in ("NG", "RECHECK", "NOT_INSPECTED"):
        assert judged.verdict == forced
        assert judged.reasons[0].code == "forced"
    elif mode is not Mode.AUTO:
        assert judged.verdict is Verdict.NOT_INSPECTED


def test_timed_modes_end_where_they_came_from() -> None:
    modes = Modes(Mode.OBSERVE)
    modes.want(Mode.SETUP, 10, 0, granted=True)
    modes.force("ready", "on", 5, 0)
    modes.want(Mode.BYPASS, 10, 1 * S, granted=True)
    assert modes.forced == {}  # forcing ends with SETUP
    assert modes.look(10 * S, granted=True) == []
    (said,) = modes.look(11 * S, granted=True)
    assert "back to OBSERVE" in said
    assert modes.wanted is Mode.OBSERVE


def test_a_key_that_is_turned_back_ends_mode_and_forcing_at_once() -> None:
    modes = Modes(Mode.AUTO)
    modes.want(Mode.SETUP, 600, 0, granted=True)
    modes.force("verdict", "NG", 60, 0)
    (said,) = modes.look(1, granted=False)
    assert "took its permission back" in said
    assert (modes.wanted, modes.forced) == (Mode.AUTO, {})


@pytest.mark.parametrize(
    ("signal", "value", "for_s", "said"),
    [
        ("verdict", "OK", 10, "one of"), ("coil", "on", 10, "one of"), ("ready", "maybe", 10, "one of"),
        ("ready", "on", 0, "at most"), ("ready", "on", 601, "at most"), ("ready", "on", float("nan"), "at most"),
    ],
)  # fmt: skip
def test_wrong_forcing_is_refused(signal: str, value: str, for_s: float, said: str) -> None:
    modes = Modes(Mode.AUTO)
    modes.want(Mode.SETUP, 600, 0, granted=True)
    with pytest.raises(SettingsError, match=said):
        modes.force(signal, value, for_s, 0)


def trigger(part_id: int | None, epoch: int = 1) -> Trigger:
    return Trigger(epoch, 1, 1, part_id, 0, 0, 1, 0, 0, None)


def test_only_undecided_parts_come_again_and_only_so_often() -> None:
    known = Presented()
    known.judged(trigger(5), 100, Verdict.RECHECK)
    assert known.attempt(trigger(5)) == (2, 100)
    assert known.refused(trigger(5), 1) is not None
    assert known.refused(trigger(5), 2) is None
    known.judged(trigger(5), 101, Verdict.NG)
    for verdict in (Verdict.NOT_INSPECTED, Verdict.RECHECK, Verdict.OK):  # whatever comes of a refused attempt
        refused = known.refused(trigger(5), 10)
        assert refused is not None
        assert "judged NG already (part 100)" in refused.text
        known.judged(trigger(5), 102, verdict)
    assert known.attempt(trigger(5, epoch=2)) == (1, None)  # a PLC that was restarted may count anew
    for nothing in (None, 0):  # no id
        known.judged(trigger(nothing), 103, Verdict.NG)
        assert known.refused(trigger(nothing), 1) is None


def test_a_new_gate_knows_from_the_ledger_what_was_presented() -> None:
    known = Presented()
    known.knows(
        1, [(5, 100, 1, "RECHECK"), (6, 101, 1, "NG"), (5, 100, 2, "NOT_INSPECTED"), (6, 101, 2, "NOT_INSPECTED")]
    )
    assert known.attempt(trigger(5)) == (3, 100)
    assert known.refused(trigger(5), 3) is None
    assert known.refused(trigger(5), 2) is not None
    assert "judged NG" in getattr(known.refused(trigger(6), 9), "text", "")
    assert known.refused(trigger(7), 1) is None


def gate() -> Any:
    return SimpleNamespace(modes=Modes(Mode.AUTO), alarms=Alarms(), reactions=Reactions(), recipe=None)


def test_a_killed_gate_leaves_mode_forcing_alarms_and_the_stop() -> None:
    fd, first, second = make(), gate(), gate()
    first.modes.want(Mode.SETUP, 60, 7, granted=True)
    first.modes.force("fault", "on", 30, 7)
    (raised,) = first.reactions.confirmed(0, "unknown part")
    first.alarms.happened(raised.key, raised.text, 1, raised.remedy, 7, "then")
    first.recipe = 3
    journal = Journal(fd)
    assert journal.keep(standing.pack(first))
    standing.restore(second, Journal(fd).kept())
    assert vars(second.modes) == vars(first.modes)
    assert second.alarms.listed() == first.alarms.listed()
    assert second.reactions.stop
    assert second.recipe == 3
    assert second.reactions.reset(raised.key)
    assert not second.reactions.stop


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_what_is_kept_last_is_what_a_successor_reads(kept: list[bytes]) -> None:
    fd = make()
    journal = Journal(fd)
    assert journal.kept() == b""
    for data in kept:
        assert journal.keep(data)
        assert Journal(fd).kept() == data
    assert not journal.keep(b"x" * 70_000)
    assert Journal(fd).kept() == (kept[-1] if kept else b"")
    assert journal.left_over() == []

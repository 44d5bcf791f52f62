"""When to warn, hold or stop: rules over parts, and parts that left otherwise than they were told to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gate.reactions import ALWAYS, Reactions
from edge.messages import ReactionRule
from vocabulary import Verdict


def using(*rules: ReactionRule) -> Reactions:
    reactions = Reactions()
    reactions.use(list(rules))
    return reactions


def test_n_in_a_row_is_broken_by_another_verdict() -> None:
    reactions = using(ReactionRule("NG", 3, 3, "stop"))
    for verdict in (Verdict.NG, Verdict.NG, Verdict.OK, Verdict.NG, Verdict.NG):
        assert reactions.told(None, verdict) == []
    (raised,) = reactions.told(9, Verdict.NG)
    assert raised.text == "3 in a row: parts are NG (last: part 9)"
    assert reactions.stop
    assert reactions.hold is raised
    assert reactions.told(10, Verdict.NG) == []  # it stands already


@given(
    verdicts=st.lists(st.sampled_from([Verdict.OK, Verdict.NG]), max_size=40),
    count=st.integers(1, 5),
    more=st.integers(0, 5),
)
def test_m_of_k_is_raised_exactly_when_the_last_k_hold_m(verdicts: list[Verdict], count: int, more: int) -> None:
    within = count + more
    reactions = using(ReactionRule("NG", count, within, "alarm"))
    first = None
    for k, verdict in enumerate(verdicts):
        if reactions.told(None, verdict) and first is None:
            first = k
    expected = next(
        (k for k in range(len(verdicts)) if verdicts[max(0, k + 1 - within) : k + 1].count(Verdict.NG) >= count), None
    )
    assert first == expected


@pytest.mark.parametrize(
    ("verdict", "what", "on", "do"),
    [
        (Verdict.NG, "passed", "escape_seen", "stop"),
        (Verdict.NOT_INSPECTED, "passed", "escape_seen", "stop"),
        (Verdict.RECHECK, "passed", "escape_seen", "stop"),
        (Verdict.NG, "recheck lane", "escape_seen", "stop"),
        (Verdict.OK, "hold", "escape_seen", "stop"),
        (Verdict.OK, "rejected", "reject_after_ok", "alarm"),
    ],
)
def test_a_part_that_left_otherwise_than_told(verdict: Verdict, what: str, on: str, do: str) -> None:
    reactions = using()
    reactions.told(5, verdict)
    (raised,) = reactions.confirmed(5, what)
    assert (raised.rule.on, raised.rule.do) == (on, do)
    assert "part 5" in raised.text


@pytest.mark.parametrize(
    ("verdict", "what"),
    [
        (Verdict.OK, "passed"),
        (Verdict.NG, "rejected"),
        (Verdict.NOT_INSPECTED, "rejected"),
        (Verdict.RECHECK, "recheck lane"),
    ],
)
def test_a_part_that_left_as_told_raises_nothing(verdict: Verdict, what: str) -> None:
    reactions = using()
    reactions.told(5, verdict)
    assert reactions.confirmed(5, what) == []
    again = reactions.confirmed(5, what)  # not on the belt any more: only an OK lets a part pass
    assert [one.rule.on for one in again] == (["passed_unproven"] if what in ("passed", "recheck lane") else [])


def test_each_part_that_left_otherwise_is_named_although_the_stop_stands_already() -> None:
    reactions = using()
    for part in (5, 6):
        reactions.told(part, Verdict.NG)
    texts = [reactions.confirmed(part, "passed")[0].text for part in (5, 6)]
    assert ["part 5 had NG" in texts[0], "part 6 had NG" in texts[1]] == [True, True]
    assert len(reactions.raised) == 1


def test_a_part_passed_over_by_the_sensors_is_unconfirmed() -> None:
    reactions = using()
    for part in (1, 2, 3):
        reactions.told(part, Verdict.NG)
    assert reactions.confirmed(1, "rejected") == []
    (raised,) = reactions.confirmed(3, "rejected")
    assert (raised.rule.on, raised.text.endswith("(part 2)")) == ("unconfirmed", True)


@pytest.mark.parametrize("sensors", [True, False])
def test_a_dead_sensor_behind_the_rejecter_is_noticed_where_there_is_one(*, sensors: bool) -> None:
    reactions = Reactions(sensors=sensors)
    raised = [one.rule.on for part in range(1, 600) for one in reactions.told(part, Verdict.NG)]
    assert raised == (["unconfirmed"] if sensors else [])


def test_confirmations_that_nobody_read_are_an_alarm() -> None:
    reactions = using()
    for code in ("confirm_ring_overrun", "confirm_gap"):
        (raised,) = reactions.anomaly(code, "3 confirmations were missed")
        assert (raised.rule.on, raised.rule.do) == ("confirmations_missed", "alarm")
    assert reactions.anomaly("counter_mismatch", "+1")[0].rule.on == "counter_mismatch"
    assert reactions.anomaly("sequence_back", "") == []


def test_an_unknown_part_stops_the_line_and_a_restarted_plc_has_an_empty_belt() -> None:
    reactions = using()
    assert reactions.confirmed(0, "unknown part")[0].rule.do == "stop"
    assert reactions.reset()
    assert not reactions.stop
    reactions.told(1, Verdict.NG)
    reactions.forget_belt()
    assert reactions.confirmed(1, "rejected") == []
    assert reactions.confirmed(1, "passed")[0].rule.on == "passed_unproven"


def test_a_new_gate_knows_the_belt_from_the_ledger_and_a_key_releases_only_what_is_held() -> None:
    reactions = using()
    reactions.on_belt([(7, "NG"), (8, "OK"), (9, "HOLD"), (10, "NG")])
    (raised,) = reactions.confirmed(7, "passed")
    assert "part 7 had NG" in raised.text
    reactions.reset()
    assert reactions.confirmed(8, "passed") == reactions.confirmed(9, "hold") == []
    (raised,) = reactions.confirmed(10, "hold")
    assert (raised.rule.on, raised.rule.do) == ("escape_seen", "stop")


def test_a_recipe_can_add_rules_and_take_none_of_the_fixed_ones_away() -> None:
    reactions = using(ReactionRule("unconfirmed", 1, 1, "stop"))
    reactions.use([])
    for rule in ALWAYS:
        assert rule in [watch.rule for watch in reactions._watches]


def test_parts_of_two_recipes_in_turn_are_counted_each_by_its_own_rules() -> None:
    rule = ReactionRule("NG", 3, 3, "stop")
    reactions, raised = Reactions(), []
    for _ in range(3):
        reactions.use([rule])
        raised += reactions.told(None, Verdict.NG)
        reactions.use([])
        reactions.told(None, Verdict.OK)
    assert [one.rule for one in raised] == [rule]


def test_what_rules_have_seen_outlives_a_gate() -> None:
    rule = ReactionRule("NG", 3, 3, "stop")
    killed, following = using(rule), Reactions()
    for _ in range(2):
        killed.told(None, Verdict.NG)
    following.saw(killed.seen())
    following.use([rule])
    assert following.told(None, Verdict.NG)


def test_rules_keep_what_they_saw_while_the_same_recipe_is_told_again() -> None:
    rule = ReactionRule("NG", 2, 2, "hold")
    reactions = using(rule)
    reactions.told(None, Verdict.NG)
    reactions.use([rule])
    assert reactions.told(None, Verdict.NG)

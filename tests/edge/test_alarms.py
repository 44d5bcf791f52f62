"""Alarms by ISA-18.2: none is lost, none chatters, none can be hidden for long, and each says what to do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gate.alarms import CONDITIONS, SETTLE_NS, Alarms
from vocabulary import SettingsError

S = 1_000_000_000
LASTING = ("plc_lost", "disk_low", "degraded_timing")


def after(alarms: Alarms, conditions: dict[str, str], *at_s: float) -> list[str]:
    return [change.code for at in at_s for change in alarms.look(conditions, int(at * S), "then")]


def states(alarms: Alarms) -> dict[str, str]:
    return {alarm.key: alarm.state for alarm in alarms.listed()}


def test_a_condition_must_last_before_it_is_an_alarm() -> None:
    alarms = Alarms()
    assert after(alarms, {"plc_lost": "x"}, 1, 2.9) == []
    assert after(alarms, {}, 2.95, 10) == []
    assert after(alarms, {"plc_lost": "x"}, 11, 13) == ["alarm_raised"]
    assert states(alarms) == {"plc_lost": "unacknowledged"}


def test_acknowledged_then_ended_and_ended_then_acknowledged() -> None:
    first, second = Alarms(), Alarms()
    for alarms in (first, second):
        after(alarms, {"disk_low": "x"}, 0, 3)
    first.acknowledge("disk_low", "kaya")
    assert states(first) == {"disk_low": "acknowledged"}
    assert after(first, {}, 4, 7) == ["alarm_gone"]
    assert after(second, {}, 4, 7) == ["alarm_returned"]
    assert states(second) == {"disk_low": "returned"}
    assert [change.code for change in second.acknowledge("disk_low", "kaya")][-1] == "alarm_gone"
    assert states(first) == states(second) == {}


def test_a_returned_alarm_comes_back_unacknowledged() -> None:
    alarms = Alarms()
    after(alarms, {"disk_low": "x"}, 0, 3)
    after(alarms, {}, 4, 7)
    assert after(alarms, {"disk_low": "y"}, 8, 11) == ["alarm_raised"]
    assert states(alarms) == {"disk_low": "unacknowledged"}


def test_a_shelf_ends_by_itself_and_hides_nothing_of_priority_1() -> None:
    alarms = Alarms()
    after(alarms, {"disk_low": "x", "plc_lost": "y"}, 0, 3)
    alarms.happened("escape_seen", "part 8", 1, "stop", 4 * S, "then")
    for key in ("plc_lost", "escape_seen"):
        with pytest.raises(SettingsError, match="can't be shelved"):
            alarms.shelve(key, "kaya", S, 4 * S)
    with pytest.raises(SettingsError, match="at most 8 h"):
        alarms.shelve("disk_low", "kaya", 9 * 3600 * S, 4 * S)
    alarms.shelve("disk_low", "kaya", 60 * S, 4 * S)
    assert states(alarms)["disk_low"] == "shelved"
    assert after(alarms, {"disk_low": "x", "plc_lost": "y"}, 63.9) == []
    assert after(alarms, {"disk_low": "x", "plc_lost": "y"}, 64) == ["alarm_unshelved"]
    assert states(alarms)["disk_low"] == "unacknowledged"


def test_what_happened_stands_until_somebody_acknowledges() -> None:
    alarms = Alarms()
    alarms.happened("escape_seen", "part 8", 1, "stop", 0, "then")
    assert alarms.happened("escape_seen", "part 9", 1, "stop", 1, "then") == []
    after(alarms, {}, 10, 20, 1000)
    assert [alarm.text for alarm in alarms.listed()] == ["part 9"]
    alarms.acknowledge("escape_seen", "kaya")
    assert states(alarms) == {}


def test_every_condition_says_what_to_do_and_few_are_urgent() -> None:
    assert all(action and priority in (1, 2, 3) for priority, action in CONDITIONS.values())
    with pytest.raises(SettingsError, match="none of these stands"):
        Alarms().acknowledge("plc_lost", "kaya")
    assert after(Alarms(), {"score_above_limit": "x", "mode_setup": "y"}, 0, 10) == []  # no person must act


Step = tuple[str, str]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from(["on", "off", "acknowledge", "shelve", "wait"]), st.sampled_from(LASTING)),
        max_size=30,
    )
)
def test_no_lasting_condition_is_without_its_alarm_and_no_alarm_without_cause(steps: list[Step]) -> None:
    """The model: what holds for longer than the settling time stands; what has ended stands only unacknowledged."""
    alarms, now, there = Alarms(), 0, set[str]()
    unseen: set[str] = set()  # raised, and nobody acknowledged since
    for what, key in steps:
        if what == "on":
            there.add(key)
        elif what == "off":
            there.discard(key)
        elif what == "acknowledge" and key in alarms.standing:
            alarms.acknowledge(key, "kaya")
            unseen.discard(key)
        elif what == "shelve" and key != "plc_lost" and key in there & set(alarms.standing):
            alarms.shelve(key, "kaya", 5 * S, now)
            unseen.discard(key)
        for _ in range(2):  # at its beginning and when it has lasted
            now += SETTLE_NS
            raised = alarms.look({one: one for one in there}, now, "then")
            unseen |= {one.alarm.key for one in raised if one.code in ("alarm_raised", "alarm_unshelved")}
        now += S
        assert set(alarms.standing) == there | unseen
        for key_, state in states(alarms).items():
            assert (state == "returned") == (key_ not in there)

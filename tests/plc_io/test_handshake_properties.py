"""Whatever is lost, torn, repeated or restarted: each trigger arrives once, and only a matching OK clears a part."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from plc_io.handshake import Accounted, Anomaly, Event, Result, Session, Trigger
from plc_io.session import PlcSession
from tests.plc_io.plc_model import PlcModel, WireToModel
from vocabulary import DeviceError, Verdict


class HandClock:
    def __init__(self) -> None:
        self.time = 1

    def now_ns(self) -> int:
        self.time += 1_000_000
        return self.time


class Exchange(RuleBasedStateMachine):
    @initialize(start=st.sampled_from([0, 65_500, 65_534]))
    def begin(self, start: int) -> None:
        self.plc, self.clock = PlcModel(), HandClock()
        self.plc.number = self.plc.parts = start  # near the wrap of the 16-bit sequence
        if start:
            self.plc.w[7] = self.plc.sequence()
        self.plc.long(16, self.plc.parts)
        self.vision_epoch = 1
        self.received: list[Trigger] = []
        self.met: list[Session] = []
        self.said_ok: set[tuple[int, int]] = set()
        self.answered: set[tuple[int, int]] = set()
        self.session = PlcSession(WireToModel(self.plc), self.vision_epoch, None, self.clock)
        self.poll()

    def take(self, events: list[Event]) -> None:
        self.received += [event for event in events if isinstance(event, Trigger)]
        self.met += [event for event in events if isinstance(event, Session)]

    @rule()
    def poll(self) -> None:
        try:
            self.take(self.session.poll())
        except DeviceError:
            assert self.plc.failures is not None

    @rule(torn=st.booleans(), many=st.sampled_from([1, 1, 1, 2, 5, 40]))
    def trigger(self, torn: bool, many: int) -> None:
        for _ in range(many):
            self.plc.trigger()
        if torn:
            self.plc.trigger(torn=True)

    @rule()
    def scan(self) -> None:
        self.plc.mend()
        self.plc.scan()

    @rule(what=st.lists(st.sampled_from(["", "lost", "late"]), max_size=6))
    def wire_fails(self, what: list[str]) -> None:
        self.plc.failures = what

    @rule(ok=st.booleans(), twice=st.booleans())
    def answer(self, ok: bool, twice: bool) -> None:
        for one in self.received[-6:]:
            key = (one.plc_epoch, one.number)
            if key in self.answered or one.part_id is None:
                continue
            self.answered.add(key)
            verdict = Verdict.OK if ok and one.fault is None else Verdict.NG
            if verdict is Verdict.OK:
                self.said_ok.add((one.plc_epoch, one.part_id))
            try:
                self.session.send(Result(one.plc_epoch, one.number, verdict, 0, 0.5, 3))
            except DeviceError:
                continue

    @rule()
    def plc_restarts(self) -> None:
        self.plc.power_up()

    @rule()
    def gate_restarts(self) -> None:
        last = self.received[-1] if self.received else self.met[-1]
        accounted = Accounted(last.plc_epoch, last.number, last.parts)
        self.vision_epoch += 1
        self.session = PlcSession(WireToModel(self.plc), self.vision_epoch, accounted, self.clock)

    @invariant()
    def no_part_is_cleared_without_its_own_ok(self) -> None:
        assert self.plc.cleared <= self.said_ok

    @invariant()
    def no_result_is_applied_twice(self) -> None:
        assert len(self.plc.applied) == len(set(self.plc.applied))

    @invariant()
    def no_trigger_comes_twice(self) -> None:
        for keys in ([(one.plc_epoch, one.number) for one in self.received], [one.parts for one in self.received]):
            assert len(keys) == len(set(keys))

    def teardown(self) -> None:
        if not hasattr(self, "plc"):
            return
        self.plc.failures = []
        self.plc.mend()
        for _ in range(4):
            self.poll()
            self.plc.scan()
        assert {one.parts for one in self.received} == set(self.plc.triggers)
        for one in self.received:  # one that nobody could read is counted, and may bear the epoch before its own
            assert one.fault is not None or one.part_id is not None
            if one.part_id is not None:
                assert (one.plc_epoch, one.number) == self.plc.triggers[one.part_id]
                assert one.parts == one.part_id
        parts_of = {(one.plc_epoch, one.part_id) for one in self.received if one.part_id is not None}
        assert self.plc.cleared <= parts_of
        self.a_fresh_part_gets_its_verdict_through()

    def a_fresh_part_gets_its_verdict_through(self) -> None:
        """Whatever has happened before: with both sides there, the next part is judged and its OK taken."""
        self.poll()
        self.plc.trigger()
        self.poll()
        fresh = self.received[-1]
        assert fresh.part_id == self.plc.parts
        assert fresh.fault is None
        self.session.send(Result(fresh.plc_epoch, fresh.number, Verdict.OK, 0, 0.5, 3))
        for _ in range(80):  # results that wait from before go first
            self.plc.scan()
            self.poll()
        assert (self.plc.epoch, self.plc.parts) in self.plc.cleared


TestExchange = Exchange.TestCase
TestExchange.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_parts_of_an_epoch_that_nobody_saw_are_counted_all_the_same() -> None:
    plc = PlcModel()
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    session.poll()
    plc.trigger()
    plc.power_up()
    plc.trigger()
    plc.trigger()
    plc.power_up()
    lost = [event for event in session.poll() if isinstance(event, Trigger)]
    assert len(lost) == 3
    assert all(one.fault is not None and one.part_id is None for one in lost)


@pytest.mark.parametrize(("parts", "last"), [(0, 0), (3, 3), (50, 40), (10_000_000, 7)])
def test_a_plc_whose_count_makes_no_sense_begins_anew_with_one_event(parts: int, last: int) -> None:
    plc = PlcModel()
    plc.parts, plc.number = parts, last
    plc.w[7] = last
    plc.long(16, parts)
    session = PlcSession(WireToModel(plc), 1, Accounted(5, 60, 60), HandClock())
    events = session.poll()
    assert [type(event) for event in events] == [Anomaly, Session]
    plc.trigger()
    (fresh,) = [event for event in session.poll() if isinstance(event, Trigger)]
    assert (fresh.parts, fresh.number, fresh.plc_epoch) == (parts + 1, last + 1, plc.epoch)


def test_the_same_epoch_never_gets_a_number_twice_when_its_count_went_back() -> None:
    plc = PlcModel()
    plc.number = plc.parts = 500
    plc.w[7] = 500
    plc.long(16, 20)
    session = PlcSession(WireToModel(plc), 1, Accounted(plc.epoch, 900, 900), HandClock())
    session.poll()
    assert session.handshake.number == 500 + 65535
    plc.trigger()
    assert [event.number for event in session.poll() if isinstance(event, Trigger)] == [500 + 65536]


def test_a_sequence_one_step_back_is_an_event_and_loses_nothing() -> None:
    plc = PlcModel()
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    session.poll()
    for _ in range(5):
        plc.trigger()
    session.poll()
    plc.w[7] = 4
    events = session.poll()
    assert [event.code for event in events if isinstance(event, Anomaly)] == ["sequence_back"]
    assert not [event for event in events if isinstance(event, Trigger)]

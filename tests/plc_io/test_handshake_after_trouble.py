"""What the run in virtual time found: ages behind a half written trigger, results that outlive their trigger."""

from plc_io.handshake import Result, Trigger
from plc_io.session import PlcSession
from tests.plc_io.plc_model import PlcModel, WireToModel
from vocabulary import Verdict


class HandClock:
    def __init__(self) -> None:
        self.time = 1

    def now_ns(self) -> int:
        self.time += 1_000_000
        return self.time


def triggers(session: PlcSession) -> list[Trigger]:
    return [event for event in session.poll() if isinstance(event, Trigger)]


def test_a_trigger_behind_a_half_written_one_is_as_old_as_its_announcement() -> None:
    plc, clock = PlcModel(), HandClock()
    session = PlcSession(WireToModel(plc), 1, None, clock)
    session.poll()
    plc.trigger(torn=True)
    plc.trigger()
    announced = clock.time
    assert triggers(session) == []
    assert triggers(session) == []
    torn, behind = triggers(session)
    assert torn.fault is not None
    assert behind.fault is None
    assert behind.earliest_ns is not None
    assert behind.earliest_ns <= announced


def test_a_half_written_trigger_keeps_its_age_when_the_link_is_lost_meanwhile() -> None:
    plc, clock = PlcModel(), HandClock()
    session = PlcSession(WireToModel(plc), 1, None, clock)
    session.poll()
    plc.trigger(torn=True)
    announced = clock.time
    assert triggers(session) == []
    session._lose()
    plc.mend()
    (late,) = triggers(session)
    assert late.earliest_ns is not None
    assert late.earliest_ns <= announced


def test_a_result_that_waited_while_hundreds_of_triggers_came_leaves_with_its_own_part_id() -> None:
    plc = PlcModel()
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    session.poll()
    plc.scan()
    plc.trigger()
    (first,) = triggers(session)
    for _ in range(9):  # the PLC does not scan: its ring of 8 fills and one result waits
        session.send(Result(first.plc_epoch, first.number, Verdict.NG, 0, 0.5, 3))
    for _ in range(20):
        for _ in range(30):
            plc.trigger()
        session.poll()
    session._lose()  # all are written again
    for _ in range(4):
        plc.scan()
        session.poll()
    assert plc.refused == 0
    assert {part for _, part in plc.applied} == {first.part_id}

"""What the run in virtual time found: ages behind a half written trigger, results that outlive their trigger."""

from plc_io.handshake import Accounted, Confirmation, Result, Trigger
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


CONF_SEQ, CONFIRMS = 8, 264


def confirm(plc: PlcModel, seq: int, part_id: int) -> None:
    plc.w[CONFIRMS + (seq - 1) % 32 * 7 : CONFIRMS + (seq - 1) % 32 * 7 + 7] = [seq, 0, part_id, 2, 0, 0, seq]
    plc.w[CONF_SEQ] = seq


def seen(session: PlcSession) -> list[int]:
    return [event.part_id for event in session.poll() if isinstance(event, Confirmation)]


def test_a_plc_nobody_knew_is_asked_for_new_confirmations_only() -> None:
    plc = PlcModel()
    confirm(plc, 1, 11)
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    assert seen(session) == []
    confirm(plc, 2, 12)
    assert seen(session) == [12]


def test_a_plc_that_was_restarted_unseen_is_asked_for_all_its_confirmations() -> None:
    plc = PlcModel()
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    session.poll()
    plc.power_up()
    confirm(plc, 1, 11)
    confirm(plc, 2, 12)
    assert seen(session) == [11, 12]


def test_a_new_gate_reads_on_from_where_the_last_one_met_the_plc() -> None:
    plc = PlcModel()
    for seq in (1, 2, 3):
        confirm(plc, seq, 10 + seq)
    session = PlcSession(WireToModel(plc), 2, Accounted(plc.epoch, 0, 0, 1), HandClock())
    assert seen(session) == [12, 13]


def test_a_header_without_an_epoch_is_none() -> None:
    plc = PlcModel()
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    session.poll()
    for _ in range(3):
        plc.trigger()
    plc.long(3, 0)
    assert session.poll() == []
    assert "plc_epoch" in [reason.code for reason in session.reasons]
    plc.long(3, plc.epoch)
    assert len(triggers(session)) == 3


def test_a_plc_that_repeats_its_numbers_leaves_no_part_without_a_row() -> None:
    """Same epoch, the sequence begins again, the retentive counter goes on: 4 parts came meanwhile, 2 come then."""
    plc = PlcModel()
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    session.poll()
    for _ in range(20):
        plc.trigger()
    assert [its.parts for its in triggers(session)] == list(range(1, 21))
    plc.number = 0
    for _ in range(4):
        plc.trigger()
    found = [its for _ in range(6) for its in triggers(session)]
    for _ in range(2):
        plc.trigger()
    found += [its for _ in range(6) for its in triggers(session)]
    assert [its.parts for its in found] == list(range(21, 27))
    assert len({its.number for its in found}) == 6
    assert [its.fault.code if its.fault else "" for its in found] == ["trigger_uncounted"] * 4 + [""] * 2


def test_results_that_the_plc_does_not_take_pile_up_where_somebody_sees_it() -> None:
    plc = PlcModel()
    session = PlcSession(WireToModel(plc), 1, None, HandClock())
    session.poll()
    plc.scan()
    for _ in range(10):  # the PLC's program does not run
        plc.trigger()
    for its in triggers(session):
        session.send(Result(its.plc_epoch, its.number, Verdict.NG, 0, 0.5, 3))
    assert session.backlog == 10

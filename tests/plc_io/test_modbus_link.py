"""The Modbus link and a whole session over it against libmodbus, through refusals, silence and death."""

import socket
from collections.abc import Callable, Iterator

import pytest

from plc_io.drivers import link as make_link
from plc_io.handshake import Consumed, Event, Result, Session, Trigger
from plc_io.link import Link
from plc_io.session import PlcSession
from tests.plc_io.conftest import LibmodbusServer
from tests.plc_io.raw_modbus import RawModbus
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, MonotonicClock, Verdict

Start = Callable[..., LibmodbusServer]


class ClosedAtEnd:
    """Links of one test."""

    def __init__(self) -> None:
        self.links: list[Link] = []

    def __call__(self, port: int) -> Link:
        self.links.append(make_link(f"modbus://127.0.0.1:{port}"))
        self.links[-1].open()
        return self.links[-1]


@pytest.fixture
def opened() -> Iterator[ClosedAtEnd]:
    made = ClosedAtEnd()
    yield made
    for link in made.links:
        link.close()


def test_words_arrive_where_they_belong(libmodbus: Start, opened: ClosedAtEnd) -> None:
    server = libmodbus()
    link, other = opened(server.port), RawModbus(server.port)
    other.write(7, [1, 65535, 32768])
    assert link.read(7, 3) == [1, 65535, 32768]
    link.write(1020, [4, 0, 65531])
    assert other.read(1019, 5) == [0, 4, 0, 65531, 0]
    link.close()
    link.close()


def test_nobody_listens_is_lost_with_a_remedy(opened: ClosedAtEnd) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(DeviceLost, match=r"127\.0\.0\.1.*check address"):
            opened(free.getsockname()[1])


def test_what_the_server_refuses_is_an_error_and_closes_the_link(libmodbus: Start, opened: ClosedAtEnd) -> None:
    link = opened(libmodbus().port)
    with pytest.raises(DeviceError, match="refuses to read"):
        link.read(1999, 2)  # the server has 2000 registers
    with pytest.raises(DeviceLost, match="open"):
        link.read(0, 1)


def test_a_silent_server_times_out_and_its_late_answer_is_never_read(libmodbus: Start, opened: ClosedAtEnd) -> None:
    server = libmodbus()
    link, other = opened(server.port), RawModbus(server.port)
    other.write(100, [111])
    other.write(200, [222])
    server.freeze()
    with pytest.raises(DeviceTimeout):
        link.read(100, 1)
    server.thaw()
    link.open()
    assert [link.read(200, 1), link.read(100, 1)] == [[222], [111]]


def test_a_server_killed_and_back_is_reached_by_opening_again(libmodbus: Start, opened: ClosedAtEnd) -> None:
    server = libmodbus()
    link = opened(server.port)
    link.read(0, 1)
    server.kill()
    with pytest.raises(DeviceError):
        link.read(0, 1)
    with pytest.raises(DeviceLost):
        link.open()
    libmodbus(server.port)
    link.open()
    assert link.read(0, 1) == [0]


class HandPlc:
    """The PLC program, played by hand over its own connection; registers typed from the printed map."""

    def __init__(self, port: int, epoch: int) -> None:
        self.wire = RawModbus(port)
        self.wire.write(0, [1, 1 | 16, 1, epoch >> 16, epoch & 0xFFFF])
        self.count = 0

    def clear_results(self) -> None:
        self.wire.write(1020, [0] * 96)
        self.wire.write(10, self.wire.read(1003, 2))

    def trigger(self, part_id: int) -> None:
        self.count += 1
        entry = [self.count, part_id >> 16, part_id & 0xFFFF, 0, 0, 0, self.count]
        self.wire.write(40 + (self.count - 1) % 32 * 7, entry)
        self.wire.write(7, [self.count])
        self.wire.write(16, [0, self.count])


def polled(session: PlcSession, times: int = 2) -> list[Event]:
    return [event for _ in range(times) for event in session.poll()]


def test_a_part_goes_through_a_real_wire(libmodbus: Start, opened: ClosedAtEnd) -> None:
    server = libmodbus()
    plc = HandPlc(server.port, 70_001)
    session = PlcSession(opened(server.port), 90_002, None, MonotonicClock())
    assert [event.parts for event in polled(session) if isinstance(event, Session)] == [0]
    assert plc.wire.read(1003, 2) == [1, 90_002 - 65536]
    plc.clear_results()
    plc.trigger(123_456)
    (trigger,) = [event for event in polled(session) if isinstance(event, Trigger)]
    assert (trigger.number, trigger.part_id, trigger.fault) == (1, 123_456, None)
    session.send(Result(70_001, 1, Verdict.OK, 0, 0.25, 12.0))
    assert plc.wire.read(1009, 1) == [1]
    assert plc.wire.read(1020, 12) == [1, 1, 4465, 1, 1, 57_920, 1, 65_534, 0, 250, 12, 1]
    plc.wire.write(9, [1])
    assert [event.number for event in polled(session) if isinstance(event, Consumed)] == [1]


def test_triggers_given_while_the_wire_was_dead_arrive_once_when_it_is_back(
    libmodbus: Start, opened: ClosedAtEnd
) -> None:
    server = libmodbus()
    plc = HandPlc(server.port, 70_001)
    session = PlcSession(opened(server.port), 5, None, MonotonicClock())
    polled(session)
    plc.clear_results()
    plc.trigger(1)
    found = polled(session)
    server.freeze()
    with pytest.raises(DeviceTimeout):
        session.poll()
    server.thaw()
    plc.trigger(2)
    plc.trigger(3)
    found += polled(session)
    assert [event.part_id for event in found if isinstance(event, Trigger)] == [1, 2, 3]
    assert len({event.plc_epoch for event in found if isinstance(event, Trigger)}) == 1

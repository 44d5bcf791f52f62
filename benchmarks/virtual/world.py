"""Virtual time and everything that lives in it: machine, wire, engine, recorder, and the gates one after another."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog

from benchmarks.virtual.engine import Engine
from benchmarks.virtual.faults import Killed, Schedule
from benchmarks.virtual.keeper import Keeper
from benchmarks.virtual.machine import MS, Machine
from edge.gate import journal
from edge.gate.loop import Gate
from edge.settings import StateFolder
from vocabulary import DeviceTimeout

STATION = """name = "virtual"
mode = "AUTO"
allow_provisional = true
recipe = "virtual"
cameras = [CAMERAS]
plc = {uri = "modbus://127.0.0.1:1", poll_ms = 4, transport_ms = 10}
pictures = {min_free_mb = 0, ballast_mb = 0}
"""
TOP = '{name = "top", uri = "sim:"}'
REQUEST, TIMEOUT, ROUND = 150_000, 20 * MS, 30_000  # ns that a request, a lost one, and a round of the gate take


class World:
    """The clock; `run` lets time pass."""

    def __init__(self, folder: Path, parts: int, first: int, faults: Schedule, further: int = 0) -> None:
        self.now, self.faults = 1, faults
        back = f', {{name = "back", uri = "sim:", position_counts = {further}}}' if further else ""
        self.state = StateFolder(folder)
        self.state.make()
        (folder / "station.toml").write_text(STATION.replace("CAMERAS", TOP + back), encoding="utf-8")
        self.state.use(folder / "station.toml")
        self.machine = Machine(parts, first, faults, further)
        self.engine = Engine(self.state.socket("gate"), self.machine, faults)
        self.recorder = Keeper(self.state, faults)
        self.wire = Wire(self)
        self.memory = journal.make()
        self.gate: Gate | None = None
        self.crashes: Counter[str] = Counter()  # of the gate, by its own mistake

    def now_ns(self) -> int:
        """The gate's Clock."""
        return self.now

    def monotonic(self) -> float:
        """The recorder's clock."""
        return self.now / 1e9

    def monotonic_ns(self) -> int:
        """The same, as a page is told it."""
        return self.now

    def run(self, until: int, *, wake: bool = False) -> None:
        """Let time pass, until somebody rings for the gate if `wake`."""
        machine, engine, recorder = self.machine, self.engine, self.recorder
        while not (wake and engine.rang):
            soon = min(machine.next_scan, engine.next_ns, recorder.next_ns, until)
            self.now = max(self.now, soon)
            if machine.next_scan <= self.now:
                machine.scan(self.now)
            if engine.next_ns <= self.now:
                engine.step(self.now)
            if recorder.next_ns <= self.now:
                recorder.step(self.now)
            if soon >= until:
                return

    def select(
        self, _read: object, _write: object, _error: object, wait_s: float
    ) -> tuple[list[int], list[int], list[int]]:
        """In place of the gate's select."""
        self.now += ROUND
        self.engine.hear(self.now)
        self.run(self.now + int(wait_s * 1e9), wake=True)
        rang, self.engine.rang = self.engine.rang, False
        return [1] if rang else [], [], []

    def round(self) -> None:
        """One round of the gate, or its end and another one."""
        try:
            if self.gate is None:
                self.gate = Gate(self.state, self, journal.Journal(self.memory))
                self.gate.link = self.wire
                self.gate.records.add = self._failing(self.gate.records.add)  # type: ignore[method-assign]
            self.gate.round()
            if self.faults.take("gate killed between rounds"):
                raise Killed
        except Killed:
            self._bury()
        except Exception as err:
            self.crashes[f"gate: {err!r}"] += 1
            self._bury()

    def _failing(self, add: Callable[..., None]) -> Callable[..., None]:
        def adds(*record: Any) -> None:
            if record[0] == "part" and self.faults.take("gate killed before it sends a row"):
                raise Killed
            add(*record)
            if record[0] == "part" and self.faults.take("gate killed after it sent a row"):
                raise Killed

        return adds

    def _bury(self) -> None:
        """As the kernel does: sockets are closed, what was sent stays readable; the supervisor keeps the memory."""
        gate, self.gate = self.gate, None
        if gate is not None:
            peers = [gate.peers.listener.sock, gate.engine.channel, gate.records.channel, *gate.peers._strangers]
            for peer in peers:
                if peer is not None:
                    peer.close()
        self.wire.is_open = False
        self.engine.hear(self.now)
        self.run(self.now + self.faults.span_ns(0.02, 0.4))

    def close(self) -> None:
        """The end of the run: everybody stops cleanly."""
        if self.gate is not None:
            self._bury()
        self.recorder.stop(clean=True)
        self.engine.die(self.now, 0, 0)
        os.close(self.memory)


class Wire:
    """The gate's link to the machine."""

    name = "virtual plc"

    def __init__(self, world: World) -> None:
        self.world, self.w = world, world.machine
        self.is_open, self.down_until, self.requests = False, 0, 0

    def open(self) -> None:
        self._pass(lambda: None)
        self.is_open = True

    def read(self, address: int, count: int) -> list[int]:
        assert self.is_open
        assert count <= 125
        words: list[int] = self._pass(lambda: self.w.w[address : address + count])
        return words

    def write(self, address: int, words: Sequence[int]) -> None:
        assert self.is_open
        assert len(words) <= 123
        assert all(0 <= word < 65536 for word in words)
        self._pass(lambda: self._store(address, words))

    def close(self) -> None:
        self.is_open = False

    def _store(self, address: int, words: Sequence[int]) -> list[int]:
        self.w.w[address : address + len(words)] = words
        return []

    def _pass(self, request: Callable[[], Any]) -> Any:
        """There, done by the machine, and back."""
        world, faults = self.world, self.world.faults
        self.requests += 1
        if faults.armed:
            if faults.take("gate killed before a request"):
                raise Killed
            if faults.take("PLC restarted"):
                self.w.power_up(world.now + faults.span_ns(0.05, 0.3))
            if faults.take("link down 50 … 400 ms"):
                self.down_until = world.now + faults.span_ns(0.05, 0.4)
        world.run(world.now + REQUEST // 2)
        if world.now < self.down_until or world.now < self.w.off_until or faults.loses("request lost"):
            self._time_out()
        answer = request()
        if faults.take("gate killed after a request"):
            raise Killed
        world.run(world.now + REQUEST // 2)
        if faults.loses("answer lost"):
            self._time_out()
        return answer

    def _time_out(self) -> None:
        self.world.run(self.world.now + TIMEOUT)
        self.is_open = False
        raise DeviceTimeout(self.name, "no answer")


def quiet(*_: object) -> Any:
    """In place of the processes' log files."""
    return structlog.wrap_logger(None, processors=[drop])


def drop(*_: object) -> Any:
    """No line is written."""
    raise structlog.DropEvent


@contextlib.contextmanager
def virtual_time(world: World) -> Iterator[None]:
    """Gate and recorder wait in virtual time."""
    with (
        patch("edge.gate.loop.select", world),
        patch("edge.recorder.loop.time", world),
        patch("edge.gate.loop.start_log", quiet),
        patch("edge.recorder.loop.start_log", quiet),
    ):
        yield


def peak_mb() -> float:
    """The most memory that this process ever had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def play(world: World, told: Callable[[float, float], None]) -> float:
    """Until all parts have left; `told` hears (share done, wall seconds). Returns the wall seconds."""
    began, shares = time.monotonic(), [0.1, 0.5, 1.0]
    with virtual_time(world):
        while not world.machine.done:
            world.round()
            if world.machine.count >= shares[0] * world.machine.parts and len(shares) > 1:
                told(shares.pop(0), time.monotonic() - began)
        world.faults.armed.clear()
        until = world.now + 10_000 * MS  # the last rows
        while world.now < until:
            world.round()
        world.close()
    took = time.monotonic() - began
    told(1.0, took)
    return took

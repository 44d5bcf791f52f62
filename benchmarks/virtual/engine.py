"""Stands in for the engine: the real messages over the real socket, answers after virtual milliseconds."""

import heapq
import math
from array import array
from pathlib import Path

from msgspec.structs import replace

from benchmarks.virtual.faults import Schedule
from benchmarks.virtual.machine import MS, NG, NOT_INSPECTED, OK, RECHECK, Machine
from edge.channel import Channel, ChannelClosed, connect
from edge.messages import (
    EngineRecipes,
    EngineState,
    Hello,
    Inspect,
    Inspected,
    Picture,
    Ping,
    RecipeState,
    ToolResult,
    Why,
)

NAMES = {OK: "OK", NG: "NG", RECHECK: "RECHECK", NOT_INSPECTED: "NOT_INSPECTED"}
SHA256 = "4711" * 16  # of its recipe
NONSENSE, LATE = 9, 10  # answers from which nothing may be concluded
WORSE = (0, OK, RECHECK, NG, NOT_INSPECTED, NONSENSE, LATE)  # the last one wins
SCORES = {OK: 0.4, NG: 1.7, RECHECK: 1.05, NOT_INSPECTED: None}


class Engine:
    """What it said of each part, and when, lies in arrays of its own: the check holds the rows against them."""

    def __init__(self, gate: Path, machine: Machine, faults: Schedule) -> None:
        self.gate, self.machine, self.faults, self.chance = gate, machine, faults, faults.chance
        self.said = bytearray(machine.parts)
        self.said_ns = array("Q", bytes(8 * machine.parts))
        self.channel: Channel | None = None
        self.outbox: list[tuple[int, int, Inspected | bytes | None]] = []  # when, order; None: ends itself
        self.back_at = self.deaf_until = self.epoch = self._order = 0
        self.strange = 0  # questions about a trigger that the machine never gave, or with another belt position
        self.asked_again = 0
        self.elsewhere = 0  # questions about a part that is not before that camera, but the next part may be
        self.too_young = 0  # questions that say the trigger is younger than it is
        self.rang = False  # the gate has something to read

    @property
    def next_ns(self) -> int:
        """When it does something by itself."""
        if self.channel is None:
            return self.back_at
        return self.outbox[0][0] if self.outbox else 1 << 62

    def step(self, now: int) -> None:
        """Connect, or send what is due."""
        if self.channel is None and now >= self.back_at:
            self._connect(now)
        while self.channel is not None and self.outbox and self.outbox[0][0] <= now:
            message = heapq.heappop(self.outbox)[2]
            if message is None:
                self.die(now, 0.05, 0.3)
            elif isinstance(message, bytes):
                self.channel.sock.send(message)
                self.rang = True
            else:
                self._send(message, now)

    def hear(self, now: int) -> None:
        """What the gate asks."""
        if now < self.deaf_until:
            return
        try:
            while self.channel is not None and (message := self.channel.receive()) is not None:
                if isinstance(message, Inspect):
                    self._asked(message, now)
                elif isinstance(message, Ping):
                    self._send(state(self.epoch, message.sequence), now)
        except ChannelClosed:
            self.die(now, 0.0, 0.05)

    def die(self, now: int, least_s: float, most_s: float) -> None:
        """Gone, with everything it owed; back after a while."""
        if self.channel is not None:
            self.channel.close()
        self.channel, self.rang = None, True
        self.outbox.clear()
        self.back_at = now + self.faults.span_ns(least_s, most_s)

    def _connect(self, now: int) -> None:
        self.channel = connect(self.gate)
        self.back_at = now + 10 * MS
        if self.channel is not None:
            self.epoch += 1
            self._send(Hello("engine", self.epoch, 1), now)
            self._send(EngineRecipes(self.epoch, {1: BOTH if self.machine.further else RECIPE}), now)
            self._send(state(self.epoch, 0), now)

    def _asked(self, its: Inspect, now: int) -> None:
        machine = self.machine
        part = machine.index(its.plc_epoch, its.trigger)
        if part is None or its.encoder != machine.at_belt[part] // MS + its.look:
            self.strange += 1
            return
        there = machine.at_ns[part] if not its.look else machine.seen_ns[part] or 1 << 62
        self.too_young += its.earliest_ns > there
        gone = machine.moved - machine.at_belt[part] - its.look * MS
        too_late = bool(machine.further) and now > its.expose_by_ns  # nothing is exposed any more
        self.elsewhere += bool(its.look) and not too_late and not 0 <= gone < 0.75 * machine.takt
        faults, chance = self.faults, self.chance
        if faults.take("engine silent 2 s"):
            self.deaf_until = now + 2_000 * MS
            self._later(self.deaf_until, None)
            return
        if faults.take("engine hangs, is restarted"):
            self._later(now + 300 * MS, None)
            return
        if faults.take("engine killed with a question"):
            self._later(now + MS, None)
            return
        if faults.take("engine sends rubbish"):
            self._later(now + MS, b"\xc1rubbish")
            return
        draw = 1.0 if too_late else chance.random()
        code = OK if draw < 0.9 else NG if draw < 0.96 else RECHECK if draw < 0.98 else NOT_INSPECTED
        at = now + faults.span_ns(0.0005, 0.003)
        if faults.take("engine late"):
            at = now + faults.span_ns(0.045, 0.15)
        answer = inspected(its, NAMES[code], SCORES[code], at)
        if faults.take("engine says no verdict"):
            code, answer = NONSENSE, inspected(its, "PERHAPS", 0.4, at)
        elif faults.take("engine scores NaN"):
            code, answer = NONSENSE, inspected(its, "OK", math.nan, at)
        elif faults.take("engine says OK without a picture"):
            code, answer = NONSENSE, replace(inspected(its, "OK", SCORES[OK], at), pictures=[])
        code = code if at < its.deadline_ns else LATE
        if self.said[part] and not its.look:
            self.asked_again += 1
        worse = its.look and WORSE.index(self.said[part]) > WORSE.index(code)
        self.said[part], self.said_ns[part] = self.said[part] if worse else code, at
        if faults.take("engine names another part"):
            self._later(at - 1, inspected(its, "OK", 0.1, at, part=its.part + 1))
        if faults.take("engine echoes another gate"):
            self._later(at - 1, inspected(its, "OK", 0.1, at, epoch=its.epoch ^ 1))
        self._later(at, answer)
        if faults.take("engine answers twice"):
            self._later(at + chance.randrange(20 * MS), inspected(its, "OK", 0.1, at))

    def _later(self, at: int, message: Inspected | bytes | None) -> None:
        self._order += 1
        heapq.heappush(self.outbox, (at, self._order, message))

    def _send(self, message: Hello | EngineRecipes | EngineState | Inspected, now: int) -> None:
        try:
            if self.channel is not None:
                self.channel.send(message)
                self.rang = True
        except ChannelClosed:
            self.die(now, 0.0, 0.05)


RECIPE = RecipeState("virtual", SHA256, [], [], 0.004, 50.0, 40.0, [], True, 1, None, ["top"], 0.0, 0.0, False)
BOTH = replace(RECIPE, cameras=["top", "back"], exposure_window_ms=7.0, least_spacing_counts=15)  # of the slow takt


def state(epoch: int, sequence: int) -> EngineState:
    """Always ready."""
    return EngineState(epoch, sequence, [], 1, [])


def inspected(
    its: Inspect, verdict: str, score: float | None, at: int, *, part: int | None = None, epoch: int | None = None
) -> Inspected:
    """An answer of one tool on one picture."""
    why = [] if verdict == "OK" else [Why("virtual", f"{verdict} by lot")]
    camera = its.cameras[0]
    picture = Picture(camera, f"{its.trigger:064x}", 8, 8, 1, at - MS, at, "device", None, None, None, 0)
    tool = ToolResult("surface", camera, "f" * 64, verdict, None, "defect", "major", score, 0.5, None, [], {})
    return Inspected(
        its.epoch if epoch is None else epoch, its.part if part is None else part, its.look, verdict, score, 0, why,
        "virtual", 1, SHA256, [picture], [tool], {"received": its.seen_ns, "inferred": at},
    )  # fmt: skip

"""The machine between two scans: belt, camera sensor, shift register, rejecter, sensors, counters."""

import math
import random
from collections import deque
from dataclasses import dataclass

from plc_io.simulate.account import Account, Piece, Planned
from plc_io.simulate.faults import Fault
from plc_io.simulate.further import FurtherStage
from plc_io.simulate.registers import FAIL, GREY, NAMES, NONE_SEEN, PASS, Registers, Taken
from plc_io.simulate.stage import Stage
from plc_io.simulate.wire import Wire
from vocabulary import utc_now

COUNTS_PER_S = 1000  # encoder counts per second of belt motion
CTRL_ENABLE, CTRL_RUNNING, CTRL_PURGE, CTRL_RESET, CTRL_AUTO, CTRL_OBSERVE, CTRL_BYPASS, CTRL_SETUP = (
    1, 2, 4, 8, 16, 32, 64, 128,
)  # fmt: skip
WATCHDOG_S = 0.5
REJECTED, PASSED, LANE, UNKNOWN, HOLD = 1, 2, 3, 4, 5
READY_BIT, STOP_BIT, MODE_SHIFT, OBSERVE_MODE, BYPASS_MODE = 1, 6, 8, 2, 4


@dataclass(slots=True)
class OnBelt:
    """A part between camera and gate, in the shift register."""

    piece: Piece
    camera_at: float  # belt position at which the last camera sees it
    gate_at: float  # belt position at which it meets the rejecter
    cleared: bool = False  # only a matching OK in time makes this True
    seen_s: float | None = None  # machine's clock when it was there: from here the deadline runs
    mode: int = 0  # vision's, when the verdict was taken
    seen: bool = True  # by the sensors behind the rejecter


class Belt:
    """Time in seconds: `now` is the machine's clock, `position` is belt motion and stands still when the belt does."""

    def __init__(
        self, registers: Registers, account: Account, plan: list[Planned], stage: Stage | None, wire: Wire | None, *,
        parts: int | None,
        takt_s: float, jitter: float, travel_s: float, deadline_s: float, faults: list[Fault], seed: int,
        observe_key: bool,
    ) -> None:  # fmt: skip
        self.registers, self.account, self.plan, self.stage, self.wire = registers, account, plan, stage, wire
        self.parts, self.takt_s, self.jitter, self.travel_s = parts, takt_s, jitter, travel_s
        self.deadline_s, self.faults, self.observe_key = deadline_s, faults, observe_key
        self.chance = random.Random(seed)  # noqa: S311  a schedule, not a secret
        self.position, self.stopped_until, self.silent_until = 0.0, 0.0, 0.0
        self.stall_s = 0.0  # the next scan comes so much later
        self.running, self.feeding = False, True
        self.recheck_lane = False  # there is one
        self.bypass_key = self.allow_setup = False
        self.recipe, self.purge_until = 0, 0.0
        self.further: list[FurtherStage] = []
        self._ids: dict[int, int] = {}  # edge of the part sensor → part id
        self.reset_after_s: float | None = None  # so long after vision's stop request the operator presses reset
        self._halted_at: float | None = None  # vision asked to stop
        self.flying: deque[OnBelt] = deque()
        self.number = self.seq = self.confirm_seq = 0
        self.next_at, self.stage_at = 0.0, 0.0
        self.meant_at = 0.0  # when the next part would come had none been late: with jitter the belt makes good for it
        self.staged_for: int | None = None
        self.edges = account.parts  # of the part sensor
        self.unpublished: deque[tuple[float, int, int, bool]] = deque()  # due, edge, encoder, ghost
        self.unfired: deque[tuple[float, bool, float]] = deque()  # due, deliver, late_ms
        self.wire_after_s = 0.0  # how far behind the part sensor the camera's own edge is
        self.unregistered: deque[float] = deque()  # gate positions of parts that the PLC does not know
        self.counts = {"refused": 0, "late": 0, "duplicates": 0, "watchdog": 0, "unknown": 0}
        self.rejects = sum(piece.routed == "rejected" for piece in account.pieces)
        self.timeouts = sum(piece.overdue for piece in account.pieces)
        self.unconfirmed = sum(not piece.confirmed for piece in account.pieces)
        self.lateness_ms = 0.0
        self._paused: set[int] = set()
        self._beat, self._beat_at, self._lost = -1, 0.0, False
        self._swap = {fault.part for fault in faults if fault.kind == "swap"}
        self._refresh()

    @property
    def done(self) -> bool:
        """Every part that was to come has left."""
        return (self._enough or not self.feeding) and not (self.flying or self.unpublished or self.unregistered)

    @property
    def _enough(self) -> bool:
        return self.parts is not None and self.edges >= self.parts

    @property
    def vision_ready(self) -> bool:
        """Vision says READY and its heartbeat moves."""
        return bool(self.registers.vision("STATUS") >> READY_BIT & 1) and not self._lost

    def scan(self, now: float, elapsed: float) -> None:
        """One PLC cycle: inputs, logic, outputs."""
        if self.running and now >= self.stopped_until and self._halted_at is None:
            free_to = min((one.free_to() for one in self.further), default=math.inf)
            self.position = max(self.position, min(self.position + elapsed, free_to))
        self.registers.greet_vision()
        self._watch(now)
        while (taken := self.registers.take_result()) is not None:
            self._judge(taken, now)
        self._pass_cameras(now)
        self._expire(now)
        self._gate()
        if self.running and self.feeding and not self._enough:
            self._feed(now)
        while self.wire is not None and self.unfired and self.position >= self.unfired[0][0]:
            _, deliver, late_ms = self.unfired.popleft()
            self.wire.fire(self._encoder(), now, deliver=deliver, late_ms=late_ms)
        while self.unpublished and self.position >= self.unpublished[0][0]:
            self._trigger(*self.unpublished.popleft()[1:], now)
        self._outputs(now)

    # ── camera ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _feed(self, now: float) -> None:
        coming = self.edges + 1
        if self.staged_for != coming and self.position >= self.stage_at:
            if self.stage is not None and self.plan:
                self.stage.show(self._shown(coming).png)
                for one in self.further:
                    one.expect(self.position, self._shown(coming).png)
            self.staged_for = coming
        self._ask_for_recipe(coming)
        if self.recipe not in (0, self.registers.vision("RECIPE_ACTIVE")):
            self.next_at = max(self.next_at, self.position)
            return
        if self.position >= self.next_at and self.staged_for == coming and (self.stage is None or self.stage.shown):
            self._edge(coming, now)

    def _ask_for_recipe(self, coming: int) -> None:
        """Feeding waits until vision acknowledges by RECIPE_ACTIVE."""
        for fault in self.faults:
            if fault.kind == "recipe" and fault.part == coming:
                self.recipe = int(fault.value)

    def _presented(self, edge: int) -> int:
        """The edge at which this part came for the first time."""
        back = next((int(fault.value) for fault in self.faults if (fault.kind, fault.part) == ("again", edge)), 0)
        return self._presented(edge - back) if 0 < back < edge else edge

    def _shown(self, part: int) -> Planned:
        """The picture before the camera: the part's own, or its neighbour's under the fault `swap`."""
        part = self._presented(part)
        other = part + 1 if part in self._swap else part - 1 if part - 1 in self._swap else part
        return self.plan[(other - 1) % len(self.plan)]

    def _edge(self, edge: int, now: float) -> None:
        """A part is at the sensor: the wire fires, and the PLC's program will tell vision."""
        faults = {fault.kind: fault.value for fault in self.faults if fault.part == edge}
        if (pause_s := faults.get("gap")) is not None and edge not in self._paused:
            self._paused.add(edge)
            self.next_at = self.meant_at = self.position + pause_s
            return
        self.edges = edge
        for one in self.further:
            one.comes(self.position)
        self.lateness_ms = (self.position - self.next_at) * 1e3
        gap = self.takt_s * (1 + self.chance.uniform(-self.jitter, self.jitter))
        least = self.takt_s * (1 - self.jitter)  # a late trigger never brings the next part nearer than the belt can
        self.meant_at = max(self.meant_at + gap, self.position)
        self.next_at = max(self.meant_at, self.position + least)
        self.stage_at = self.position + (self.next_at - self.position) / 2
        if self.stage is not None and self.plan:
            self.stage.prepare(self._shown(edge + 1).png)
        if self.wire is not None and "exposure_missing" not in faults:
            late_ms = faults.get("exposure_late", 0.0) * 1e3
            for _ in range(2 if "exposure_doubled" in faults else 1):
                self.unfired.append((self.position + self.wire_after_s, "exposure_lost" not in faults, late_ms))
        for fault in [fault for fault in self.faults if fault.part == edge]:
            self._fail(fault, now)
        if "trigger_missing" in faults:
            self.unregistered.append(self.position + self.travel_s)
            return
        due = self.position + faults.get("trigger_late", 0.0)
        self.unpublished.append((due, edge, self._encoder(), False))
        if "trigger_doubled" in faults:
            self.unpublished.append((due, edge, self._encoder(), True))

    def _trigger(self, edge: int, encoder: int, ghost: bool, now: float) -> None:
        """Register the part and publish its trigger. The encoder is latched by the sensor."""
        self.number, self.seq = self.number + 1, self.seq + 1 if self.seq < 0xFFFF else 1
        first = self._presented(edge)
        truth = self.plan[(first - 1) % len(self.plan)] if self.plan and not ghost else None
        part = self._ids.get(first, self.account.parts + 1) if first != edge else self.account.parts + 1
        self._ids[edge] = part
        piece = Piece(
            part, self.registers.epoch, self.number, self.seq, truth.path if truth else None,
            truth.sha256 if truth else None, truth.label if truth else None, utc_now(), round(self.lateness_ms, 3),
            ghost=ghost,
        )  # fmt: skip
        self.account.triggered(piece)
        last_s = max((one.behind_s for one in self.further), default=0.0)
        self.flying.append(OnBelt(piece, self.position + last_s, self.position + self.travel_s))
        self._pass_cameras(now)
        self.registers.set("PARTS", self.account.parts)
        self.registers.write_trigger(self.seq, part, encoder, self.recipe)

    def _fail(self, fault: Fault, now: float) -> None:
        match fault.kind:
            case "stop":
                self.stopped_until = now + fault.value
            case "silent":
                self.silent_until = now + fault.value
            case "purge":
                self.purge_until = now + fault.value
            case "miscount":
                self.rejects += int(fault.value)
            case "stall":
                self.stall_s = fault.value
            case "skip":
                self.number += int(fault.value)
                self.seq = (self.seq - 1 + int(fault.value)) % 0xFFFF + 1 if self.seq else int(fault.value)
            case "restart":
                for one in self.flying:
                    self._leave(one, "rejected", "the PLC was restarted while this part was on the belt", REJECTED)
                self.flying.clear()
                self.registers.power_up()
                self.number = self.seq = self.confirm_seq = 0
                self._refresh()

    # ── results ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _judge(self, taken: Taken, now: float) -> None:
        """Only an OK that matches in everything, before the deadline, clears a part."""
        one = next((o for o in self.flying if o.piece.part == taken.part_id and o.piece.seq == taken.trigger_seq), None)
        if taken.code not in (PASS, FAIL, GREY, NONE_SEEN) or taken.complement != 0xFFFF - taken.code:
            self._refuse(one, "not a verdict")
        elif taken.plc_epoch != self.registers.epoch or one is None:
            self._refuse(one, "unknown part or epoch")
        elif one.piece.verdict is not None:
            self.counts["duplicates"] += 1
            one.piece.refused.append("duplicate")
        elif one.piece.overdue:
            self.counts["late"] += 1
            one.piece.refused.append(f"late {NAMES[taken.code]}")
        else:
            one.piece.verdict = NAMES[taken.code]
            one.piece.consumed_ms = round((now - (now if one.seen_s is None else one.seen_s)) * 1e3, 3)
            one.cleared = taken.code == PASS
            one.mode = self._mode()

    def _refuse(self, one: OnBelt | None, why: str) -> None:
        self.counts["refused"] += 1
        if one is not None:
            one.piece.refused.append(why)

    def _pass_cameras(self, now: float) -> None:
        for stage in self.further:
            stage.move(self.position)
        for one in self.flying:
            if one.seen_s is None and self.position >= one.camera_at:
                one.seen_s = now

    def _expire(self, now: float) -> None:
        for one in self.flying:
            since_s = now - (now if one.seen_s is None else one.seen_s)
            if one.piece.verdict is None and not one.piece.overdue and since_s > self.deadline_s:
                one.piece.overdue = True
                self.timeouts += 1

    # ── rejecter ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _gate(self) -> None:
        while self.unregistered and self.position >= self.unregistered[0]:
            self.unregistered.popleft()
            self.counts["unknown"] += 1
            self._confirm(0, UNKNOWN)  # a part that nobody announced: rejected
        while self.flying and self.position >= self.flying[0].gate_at:
            one = self.flying.popleft()
            faults = {fault.kind for fault in self.faults if fault.part == one.piece.part}
            one.seen = "unseen" not in faults
            if "jam" in faults:
                self._leave(one, "passed", "the rejecter was jammed", PASSED)
            elif "misfire" in faults:
                self._leave(one, "rejected", "the rejecter misfired", REJECTED)
            elif one.cleared:
                self._leave(one, "passed", "OK", PASSED)
            elif self.recheck_lane and one.piece.verdict == NAMES[GREY]:
                self._leave(one, "recheck", "RECHECK", LANE)
            elif (key := self._key(one)) is not None:
                self._leave(one, "hold", f"released by the PLC's {key} key", HOLD)
            else:
                self._leave(one, "rejected", one.piece.verdict or "no verdict in time", REJECTED)

    def _mode(self) -> int:
        return self.registers.vision("STATUS") >> MODE_SHIFT & 7

    def _key(self, one: OnBelt) -> str | None:
        """The key that releases this part: its mode stood at the verdict and stands now. Nobody releases an NG."""
        if one.piece.verdict != NAMES[NONE_SEEN] or one.mode != self._mode():
            return None
        if self.observe_key and one.mode == OBSERVE_MODE:
            return "observe"
        return "bypass" if self.bypass_key and one.mode == BYPASS_MODE else None

    def _leave(self, one: OnBelt, routed: str, why: str, what: int) -> None:
        one.piece.confirmed = one.seen
        if one.seen:
            self._confirm(one.piece.part, what)
        else:
            self.unconfirmed += 1
        self.rejects += routed == "rejected"
        self.account.left(one.piece, routed, why)

    def _confirm(self, part: int, what: int) -> None:
        self.confirm_seq = self.confirm_seq % 0xFFFF + 1
        self.registers.write_confirmation(self.confirm_seq, part, what, self._encoder())

    # ── outputs ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _watch(self, now: float) -> None:
        beat = self.registers.vision("VIS_HB") + (self.registers.vision_epoch << 16)
        if beat != self._beat:
            self._beat, self._beat_at, self._lost = beat, now, self.registers.vision_epoch == 0
        elif not self._lost and now - self._beat_at > WATCHDOG_S:
            self._lost = True
            self.counts["watchdog"] += 1
        asked_to_stop = bool(self.registers.vision("STATUS") >> STOP_BIT & 1)
        self._halted_at = (self._halted_at or now) if asked_to_stop else None

    def _outputs(self, now: float) -> None:
        moving = self.running and now >= self.stopped_until and self._halted_at is None
        control = CTRL_ENABLE | CTRL_AUTO
        for on, bit in (
            (moving, CTRL_RUNNING), (self.observe_key, CTRL_OBSERVE), (self.bypass_key, CTRL_BYPASS),
            (self.allow_setup, CTRL_SETUP), (now < self.purge_until, CTRL_PURGE),
        ):  # fmt: skip
            control |= bit if on else 0
        if (
            self._halted_at is not None
            and self.reset_after_s is not None
            and now - self._halted_at > self.reset_after_s
        ):
            control |= CTRL_RESET
        self.registers.set("CTRL", control)
        self.registers.set("PLC_HB", int(now * 10))
        self._refresh()

    def _refresh(self) -> None:
        for name, value in (
            ("PARTS", self.account.parts),
            ("REJECTS", self.rejects),
            ("TIMEOUTS", self.timeouts),
            ("UNCONFIRMED", self.unconfirmed),
            ("RECIPE_REQ", self.recipe),
            ("ENCODER", max(1, self._encoder())),
            ("DEADLINE_MS", int(self.deadline_s * 1e3)),
        ):
            self.registers.set(name, value)

    def _encoder(self) -> int:
        return int(self.position * COUNTS_PER_S) % (1 << 32)

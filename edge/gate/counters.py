"""The PLC's retentive counters in the ledger, and held against what the sensors behind the rejecter have seen.

row ───── 100 parts or 60 s ───── row      REJECTS of the one less REJECTS of the other = parts seen as rejected between
PARTS is held against the triggers by plc_io/handshake.py at every poll; here it only goes into the rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plc_io.handshake import Anomaly
from plc_io.session import PlcView

if TYPE_CHECKING:
    from edge.gate.loop import Gate

EVERY_PARTS = 100  # between two rows
EVERY_NS = 60_000_000_000
SLACK = 4  # parts between rejecter and sensor: counted, not seen yet
HELD_NS = 2_000_000_000  # a difference that stands so long is not on its way any more
MISSED = ("confirm_gap", "confirm_ring_overrun", "sequence_back")
U32 = 1 << 32  # the counters wrap there


@dataclass(frozen=True, slots=True)
class Mark:
    """The counters at one moment, all confirmations up to it being read."""

    epoch: int
    parts: int
    rejects: int
    timeouts: int
    unconfirmed: int
    confirmed: int  # sequence of the last confirmation read

    @classmethod
    def of(cls, view: PlcView, confirmed: int) -> "Mark":
        """As of the last poll."""
        return cls(view.plc_epoch, view.parts, view.rejects, view.timeouts, view.unconfirmed, confirmed)


class Counters:
    """Since the base: what the PLC counts as rejected, and what its sensors have seen."""

    def __init__(self) -> None:
        self._base: Mark | None = None
        self._rejected = self._unknown = 0  # seen since the base
        self._told: Mark | None = None  # of the last row
        self._told_ns = 0
        self._off_ns: int | None = None  # since when they differ

    def seen(self, what: str) -> None:
        """A sensor behind the rejecter saw a part."""
        self._rejected += what == "rejected"
        self._unknown += what == "unknown part"  # the PLC may or may not count it as a reject

    def found(self, code: str) -> None:
        """Confirmations that nobody read: their alarm stands, the sums begin anew."""
        if code in MISSED:
            self._base = None

    def look(self, gate: "Gate") -> None:
        """Ten times a second, when nothing of the PLC waits to be dealt with."""
        if gate.plc is None or gate.plc_fault is not None or gate.events or not gate.plc.plc.alive:
            return
        now, mark = gate.clock.now_ns(), Mark.of(gate.plc.plc, gate.plc.handshake.confirmed)
        if mark.epoch != gate.plc.handshake.plc_epoch:
            return
        told = self._told
        if told is None or told.epoch != mark.epoch:
            self._begin(mark)
            self.tell(gate, mark)
        elif (mark.parts - told.parts) % U32 >= EVERY_PARTS or (mark != told and now - self._told_ns >= EVERY_NS):
            self.tell(gate, mark)
        if gate.station.plc.confirmations:
            self._compare(gate, mark, now)

    def tell(self, gate: "Gate", mark: Mark | None = None) -> None:
        """A row; without a mark, the last one of this gate."""
        last = mark is None
        if mark is None:
            if self._told is None or gate.plc is None or gate.events:
                return
            mark = Mark.of(gate.plc.plc, gate.plc.handshake.confirmed)
        self._told, self._told_ns = mark, gate.clock.now_ns()
        plc = {name: getattr(mark, name) for name in Mark.__slots__}
        text = f"the PLC counts {mark.parts} parts, {mark.rejects} rejects, {mark.timeouts} timeouts"
        gate.note("plc_counters", text, plc=plc, sensors=gate.station.plc.confirmations, last=last)

    def _begin(self, mark: Mark) -> None:
        self._base, self._rejected, self._unknown, self._off_ns = mark, 0, 0, None

    def _compare(self, gate: "Gate", mark: Mark, now: int) -> None:
        if self._base is None:
            self._begin(mark)
            return
        counted = (mark.rejects - self._base.rejects) % U32
        unseen = (mark.unconfirmed - self._base.unconfirmed) % U32
        if self._rejected - SLACK <= counted <= self._rejected + self._unknown + unseen + SLACK:
            self._off_ns = None
            return
        self._off_ns = now if self._off_ns is None else self._off_ns
        if now - self._off_ns < HELD_NS:
            return
        text = (
            f"the PLC counts {counted} rejects since part {self._base.parts}, its sensors saw {self._rejected} "
            f"rejected parts and {self._unknown} unknown ones, it counts {unseen} unconfirmed"
        )
        self._begin(mark)  # the next alarm is about what comes after this one
        gate.found(Anomaly("counter_mismatch", text))

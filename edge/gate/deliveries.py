"""The last two laps of a part: its row leaves before its verdict is written, so the next row carries them.

row of part 7 ─▶ verdict written ─▶ taken by the PLC ─▶ row of part 8, with `taken: [part 7, written_us, consumed_us]`
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plc_io.handshake import Consumed, Trigger

if TYPE_CHECKING:
    from edge.gate.loop import Gate

MOST = 64  # verdicts whose way to the PLC is timed at once
ROW_NS = 60_000_000_000  # when no part comes for so long, an event row carries the laps


@dataclass(frozen=True, slots=True)
class Sent:
    """A verdict on its way: our part number, and monotonic nanoseconds."""

    part: int
    seen_ns: int  # when its trigger was seen: laps count from there
    began_ns: int
    written_ns: int


class Deliveries:
    """Which verdicts are on their way, and how long those took that arrived."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}  # laps of the newest verdict, for pages
        self._sent: dict[int, Sent] = {}  # by trigger number
        self._taken: list[dict[str, int]] = []  # not in a row yet
        self._since_ns = 0  # when the oldest of these was taken

    def sent(self, trigger: Trigger, part: int, began_ns: int, written_ns: int) -> None:
        """A verdict was written."""
        self._sent[trigger.number] = Sent(part, trigger.seen_ns, began_ns, written_ns)
        while len(self._sent) > MOST:
            self._sent.pop(next(iter(self._sent)))
        self.last = {"part": part, "written_us": (written_ns - trigger.seen_ns) // 1000}

    def consumed(self, event: Consumed) -> Sent | None:
        """The PLC took it; None: of an earlier gate, or of too long ago."""
        if (sent := self._sent.pop(event.number, None)) is None:
            return None
        laps = {"part": sent.part, "written_us": (sent.written_ns - sent.seen_ns) // 1000}
        laps["consumed_us"] = (event.seen_ns - sent.seen_ns) // 1000
        if sent.part == self.last["part"]:
            self.last = laps
        self._since_ns = self._since_ns if self._taken else event.seen_ns
        self._taken.append(laps)
        return sent

    def laps(self) -> list[dict[str, int]]:
        """For the next row; each is in one row only. Microseconds after the poll that saw the part's trigger."""
        taken, self._taken = self._taken, []
        return taken

    def look(self, gate: "Gate") -> None:
        """Ten times a second."""
        if self._taken and gate.clock.now_ns() - self._since_ns > ROW_NS:
            self.tell(gate)

    def tell(self, gate: "Gate") -> None:
        """An event row for laps that no part's row came for: after a pause, and when the gate stops."""
        if laps := self.laps():
            gate.note("verdicts_taken", f"the PLC took {len(laps)} verdicts after the last row of a part", taken=laps)

"""What is given up when parts come faster than they can be judged: by the recipe's declared order, counted, alarmed.

trigger ▓ waits for the engine ····|←─ least time left ─→| deadline
                                   ^ shed here: NOT_INSPECTED leaves at once, the engine goes on with the next part
"""

from typing import TYPE_CHECKING

from edge.gate.part import Part
from edge.messages import Why

if TYPE_CHECKING:
    from edge.gate.loop import Gate

WAITED_NS = 10_000_000  # a part asked about later than this after it was seen had to wait for the engine (else 1 ms)
SHOWN_NS = 5_000_000_000  # so long after the last part that was shed it still is a condition


class Shedding:
    """What was shed since this gate started, and when last."""

    def __init__(self) -> None:
        self.parts = 0
        self.pictures = 0
        self._last_ns: int | None = None

    def part(self, now_ns: int) -> None:
        """One part leaves without having been looked at."""
        self.parts += 1
        self._last_ns = now_ns

    def lately(self, now_ns: int) -> Why | None:
        """For banner and alarm."""
        if self._last_ns is None or now_ns - self._last_ns >= SHOWN_NS:
            return None
        text = f"parts come faster than they are judged: {self.parts} shed since the gate started"
        return Why("shed", f"{text}: slow the belt, or take a faster model")


def hopeless(gate: "Gate", part: Part, now_ns: int) -> Why | None:
    """Why this part, which waits for the engine, leaves now; None: it can still be judged in time."""
    its = gate.engine.recipe(part.recipe)
    left_ms = (part.deadline_ns - now_ns) / 1e6
    below_ms = its.shed_below_ms if its is not None else 0.0
    if below_ms > gate.deadline_ms(its):
        below_ms = 0.0  # it would shed every part, also on an idle station; the banner says deadline_unproven
    if below_ms and left_ms < below_ms:
        text = f"{left_ms:.0f} ms left when the engine was busy, judging takes {below_ms:.0f} ms"
        return Why("shed", f"{text}: slow the belt, or take a faster model")
    if left_ms <= 0:
        return Why("engine_busy", "engine still owed an earlier answer at this part's deadline")
    return None


def spare(gate: "Gate", part: Part, now_ns: int) -> bool:
    """There is time for what a verdict does not need: the engine is not behind, or the recipe does not give it up."""
    its = gate.engine.recipe(part.recipe)
    behind = bool(gate.waiting) or now_ns - part.seen_ns > WAITED_NS
    return not behind or its is None or not its.shed_ok_pictures

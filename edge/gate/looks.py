"""Cameras at several places along the belt: when a part is before which of them, and one answer out of all looks. Pure.

                    trigger                        the belt has moved 400 counts
part 7   ───────────▓ look at 0: front, top ───────▓ look at 400: back ─────▶ one verdict
deadline                                           |←── deadline_ms ──▶      no time runs while the belt brings it

The belt's encoder says when a part has arrived; a belt that stands still expires nobody. A part that the belt has
carried half a spacing beyond its next cameras before anybody saw it there has missed them.
"""

from dataclasses import dataclass

from edge.messages import Inspected, ToolResult, Why
from edge.settings import CameraSettings
from vocabulary import SEVERITY, Verdict, worst

U32 = 1 << 32
MOST_TRAVELLING = 128  # parts between the first and the last camera; the handshake remembers twice as many triggers


@dataclass(frozen=True, slots=True)
class Look:
    """The cameras at one place."""

    position: int  # encoder counts behind the part sensor
    cameras: list[str]


@dataclass(frozen=True, slots=True)
class BeltPosition:
    """Where the belt was at a poll."""

    encoder: int  # u32; 0: the PLC does not tell
    earliest_ns: int | None  # the poll before: the belt was not yet there then; None: there was none
    seen_ns: int


def looks_of(stations: list[CameraSettings], wanted: list[str]) -> list[Look]:
    """Where a recipe's cameras are, in belt order."""
    places: dict[int, list[str]] = {}
    for camera in stations:
        if camera.name in wanted:
            places.setdefault(camera.position_counts, []).append(camera.name)
    return [Look(position, places[position]) for position in sorted(places)]


def moved(encoder: int, since: int) -> int:
    """Counts from `since` to `encoder`; the counter wraps, and may have gone back."""
    return (encoder - since + U32 // 2) % U32 - U32 // 2


def arrival(latched: int, look: Look, belt: BeltPosition, spacing: int) -> bool | Why:
    """Has the belt brought the part to these cameras? True, False, or why it will never be seen there."""
    if moved(belt.encoder, latched) <= -spacing:
        return Why("encoder_fault", f"the belt's encoder went back to {belt.encoder}, the part was at {latched}")
    beyond = moved(belt.encoder, latched + look.position)
    if beyond < 0:
        return False
    if 2 * beyond >= spacing:
        text = f"the belt had moved the part {beyond} counts beyond camera {look.cameras[0]} before it was seen there"
        return Why("exposure_missed", f"{text}: speed up scan and poll")
    return True


def merged(answers: list[Inspected]) -> Inspected:
    """One answer out of those of all looks: the worst verdict, everything that was seen, laps named by place."""
    if len(answers) == 1:
        return answers[0]
    first, last = answers[0], answers[-1]
    tools = [tool for answer in answers for tool in answer.tools]
    worst_one = max(answers, key=lambda answer: SEVERITY.index(Verdict(answer.verdict)))
    laps = {f"{name}@{answer.look}": at for answer in answers[:-1] for name, at in answer.laps_ns.items()}
    return Inspected(
        last.epoch, last.part, last.look, worst([Verdict(answer.verdict) for answer in answers]), farthest(tools),
        worst_one.defect_class, [why for answer in answers for why in answer.reasons],
        first.recipe, first.recipe_number, first.recipe_sha256,
        [picture for answer in answers for picture in answer.pictures], tools, laps | last.laps_ns,
    )  # fmt: skip


def farthest(tools: list[ToolResult]) -> float | None:
    """The score that lies farthest above its limit, or nearest below; None: nothing was scored."""
    scored = [tool for tool in tools if tool.score is not None and tool.limit]
    return max(scored, key=lambda tool: (tool.score or 0.0) / (tool.limit or 1.0)).score if scored else None

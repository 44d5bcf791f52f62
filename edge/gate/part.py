"""One part between its trigger and its verdict, and the ledger row that it becomes."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge.gate.looks import U32, Look
from edge.messages import Inspect, Inspected, Why
from plc_io.handshake import Trigger
from vocabulary import Mode, Verdict, utc_now

FAR = 1 << 62  # ns: no deadline runs
HOLDING = (Mode.OBSERVE, Mode.BYPASS)  # the PLC alone releases parts; they are recorded as HOLD


@dataclass(slots=True)
class Part:
    """In flight. It starts as NOT_INSPECTED and stays so unless an answer comes in time."""

    number: int
    trigger: Trigger
    looks: deque[Look]  # still to come; the first one is now, or what the part is on its way to
    earliest_ns: int = 0  # when it came before the cameras of this look; not yet: 0
    seen_ns: int = 0
    expose_by_ns: int = 0
    deadline_ns: int = FAR
    attempt: int = 1  # more: the part was presented before
    first: int | None = None  # our number of its first attempt
    recipe: int | None = None  # latched when the trigger was seen
    asked_ns: int | None = None
    spare: bool = True  # while it is judged there is time for what its verdict does not need
    next_seen_ns: int | None = (
        None  # when the trigger after this one was seen: what arrives later may show the next part
    )
    laps_ns: dict[str, int] = field(default_factory=dict)
    answers: list[Inspected] = field(default_factory=list)  # of the looks that are over; each has a verdict

    @property
    def look(self) -> Look:
        """Now, or next."""
        return self.looks[0]

    def arrived(self, earliest_ns: int, seen_ns: int, window_ns: int, deadline_ns: int) -> None:
        """The part is before the cameras of this look: their window, and the deadline, count from here."""
        self.earliest_ns, self.seen_ns = earliest_ns, seen_ns
        self.expose_by_ns, self.deadline_ns = earliest_ns + window_ns, earliest_ns + deadline_ns

    def goes_on(self, answer: Inspected) -> None:
        """One look is over, and not the last one. No time runs while the belt brings the part to the next cameras."""
        self.answers.append(answer)
        self.looks.popleft()
        self.deadline_ns, self.next_seen_ns = FAR, None

    def request(self, gate_epoch: int) -> Inspect:
        """For the engine."""
        its, look = self.trigger, self.look
        encoder = None if its.encoder is None else (its.encoder + look.position) % U32
        return Inspect(
            gate_epoch,
            self.number,
            look.position,
            look.cameras,
            self.recipe,
            its.plc_epoch,
            its.number,
            encoder,
            self.earliest_ns,
            self.seen_ns,
            self.expose_by_ns,
            self.deadline_ns,
            self.spare,
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What the station makes of a part: what it tells the PLC, and what it thinks."""

    verdict: Verdict  # told to the PLC
    judged: Verdict  # as the recipe decides, whatever the mode
    disposition: str  # pass, recheck, reject, HOLD
    reasons: list[Why]


def judge(
    mode: Mode,
    verdict: Verdict,
    reasons: list[Why],
    *,
    recheck_lane: bool = False,
    forced: str | None = None,
    keyed: bool = True,
) -> Judged:
    """Only AUTO emits a verdict; in any other mode the PLC is told NOT_INSPECTED and the opinion is recorded.

    In SETUP a verdict other than OK may be forced. `keyed`: the PLC's key for this mode is turned, so it may release.
    """
    if mode is Mode.SETUP and forced is not None and forced != Verdict.OK:
        told, why = Verdict(forced), [Why("forced", f"verdict is forced to {forced} in SETUP"), *reasons]
    elif mode is Mode.AUTO or verdict is Verdict.NOT_INSPECTED:
        told, why = verdict, reasons
    else:
        told, why = Verdict.NOT_INSPECTED, [Why(f"mode_{mode.lower()}", f"station is in {mode}"), *reasons]
    routed = {Verdict.OK: "pass", Verdict.RECHECK: "recheck" if recheck_lane else "reject"}
    disposition = "HOLD" if mode in HOLDING and keyed else routed.get(told, "reject")
    return Judged(told, verdict, disposition, why)


def nonsense(
    answer: Inspected, recipe: int | None = None, cameras: Sequence[str] = (), earlier: Sequence[Inspected] = ()
) -> Why | None:
    """An answer from which nothing may be concluded: no verdict, no number for a score, another recipe's, no proof."""
    if answer.verdict not in tuple(Verdict):
        return Why("engine_nonsense", f"engine said {answer.verdict!r}, which is no verdict: see logs/engine.jsonl")
    if answer.score is not None and not math.isfinite(answer.score):
        return Why("engine_nonsense", f"engine said {answer.verdict} with score {answer.score}: see logs/engine.jsonl")
    if answer.verdict != Verdict.NOT_INSPECTED and recipe not in (None, answer.recipe_number):
        text = f"engine judged by recipe {answer.recipe_number}, latched for this part was {recipe}"
        return Why("engine_nonsense", f"{text}: see logs/engine.jsonl")
    if [one for one in earlier if one.recipe_sha256 != answer.recipe_sha256]:
        return Why("engine_nonsense", "the recipe was changed between two looks at this part: restart the station")
    if answer.verdict == Verdict.OK and (lacks := without_proof(answer, cameras)):
        return Why("engine_nonsense", f"engine said OK, but {lacks}: see logs/engine.jsonl")
    return None


def without_proof(answer: Inspected, cameras: Sequence[str]) -> str:
    """What an OK lacks: it needs a tool for every camera, each with an OK of its own on a picture. Empty: nothing."""
    if not answer.tools:
        return "no tool looked at the part"
    if idle := [camera for camera in cameras if camera not in [tool.camera for tool in answer.tools]]:
        return f"no tool looked at the picture of camera {idle[0]}"
    if other := [tool for tool in answer.tools if tool.verdict != Verdict.OK]:
        return f"tool {other[0].tool} said {other[0].verdict!r}"
    pictures = [picture.camera for picture in answer.pictures]
    unseen = [tool for tool in answer.tools if tool.camera not in pictures]
    return f"tool {unseen[0].tool} had no picture of camera {unseen[0].camera}" if unseen else ""


def row(
    station: str, mode: Mode, part: Part, judged: Judged, answer: Inspected | None, context: dict[str, Any]
) -> dict[str, Any]:
    """The body of the ledger's `part` row. Laps are microseconds after the poll that saw the trigger."""
    trigger = part.trigger
    laps = {**part.laps_ns, **(answer.laps_ns if answer else {})}
    return {
        "station": station,
        "utc": utc_now(),
        "mode": mode,
        "verdict": judged.verdict,
        "judged": judged.judged,
        "defect_class": answer.defect_class if answer else 0,
        "disposition": judged.disposition,
        "reasons": [{"code": why.code, "text": why.text} for why in judged.reasons],
        "score": answer.score if answer else None,
        "tools": [plain(tool) for tool in answer.tools] if answer else [],
        "pictures": [timed(plain(picture), trigger.seen_ns) for picture in answer.pictures] if answer else [],
        "recipe": {"name": answer.recipe, "number": answer.recipe_number, "sha256": answer.recipe_sha256}
        if answer
        else None,
        "plc": {
            "epoch": trigger.plc_epoch,
            "number": trigger.number,
            "seq": trigger.seq,
            "part_id": trigger.part_id,
            "encoder": trigger.encoder,
            "recipe": trigger.recipe,
            "parts": trigger.parts,
        },
        "context": context,
        "attempt": part.attempt,
        "first_attempt": part.first,
        "trigger_age_us": None if trigger.earliest_ns is None else (trigger.seen_ns - trigger.earliest_ns) // 1000,
        "deadline_us": None if part.deadline_ns == FAR else (part.deadline_ns - trigger.seen_ns) // 1000,
        "laps_us": {lap: (at - trigger.seen_ns) // 1000 for lap, at in sorted(laps.items(), key=lambda item: item[1])},
    }


def plain(message: msgspec.Struct) -> dict[str, Any]:
    """A message's fields without its tag."""
    return msgspec.structs.asdict(message)


def timed(picture: dict[str, Any], zero_ns: int) -> dict[str, Any]:
    """Monotonic times mean nothing on disk: microseconds after the trigger instead."""
    for name in ("exposed", "arrived"):
        picture[f"{name}_us"] = (picture.pop(f"{name}_ns") - zero_ns) // 1000
    return picture

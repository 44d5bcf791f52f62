"""Whether a part may be judged, and whether an answer may count: every reason against it, in words."""

from typing import TYPE_CHECKING

from edge.gate import change_over
from edge.gate.looks import MOST_TRAVELLING, moved
from edge.gate.part import FAR, Part
from edge.gate.records import BEHIND
from edge.messages import Inspected, RecipeState, Why
from plc_io.handshake import Trigger
from vocabulary import Verdict

if TYPE_CHECKING:
    from edge.gate.loop import Gate

MAX_WAITING = 64  # parts that wait for the engine; above that the oldest are past their deadline anyway


def refused(gate: "Gate", part: Part) -> list[Why]:
    """Why this part, just triggered, is not judged; empty: it is."""
    trigger, its = part.trigger, gate.engine.recipe(part.recipe)
    if trigger.fault is not None:
        return [Why(trigger.fault.code, trigger.fault.text)]
    again = gate.presented.refused(trigger, its.most_attempts if its else 1) or still_judged(gate, trigger)
    if again:
        return [again]
    if late := published_late(gate, trigger, its.least_spacing_counts if its else None):
        return [late]
    if its is not None and (unseen := set(its.cameras) - {name for look in part.looks for name in look.cameras}):
        return [Why("camera_unknown", f"recipe {its.name} needs camera {min(unseen)}: it is not in station.toml")]
    return cannot_inspect(gate, trigger.recipe)


def cannot_inspect(gate: "Gate", by_trigger: int | None = None) -> list[Why]:
    """Why no part can be judged now, or none with this recipe in its trigger; empty: ask the engine."""
    if why := unsafe(gate):
        return why
    if len(gate.waiting) >= MAX_WAITING or len(gate.travelling) >= MOST_TRAVELLING:
        return [Why("too_many_waiting", f"{len(gate.in_flight())} parts wait for the engine or their next camera")]
    its = gate.engine.recipe(change_over.latched(gate, by_trigger))
    if its is not None and gate.deadline_ms(its) <= 0 and (hopeless := deadline_unproven(gate, its)):
        return [hopeless]
    return gate.engine.unmet() or blind(gate) or change_over.why_not(gate, by_trigger)


def deadline_unproven(gate: "Gate", its: RecipeState) -> Why | None:
    """The deadline in force, the PLC's less the way to it and back, is shorter than what the certificate proves."""
    if (in_force := gate.deadline_ms(its)) <= 0:
        text = f"plc.transport_ms is {gate.station.plc.transport_ms:g}, the PLC's deadline no longer"
        return Why("deadline_unproven", f"{text}: no part can be judged in time; let the PLC give more time")
    if in_force >= its.proven_ms:
        return None
    text = f"the deadline in force is {in_force:.0f} ms, the certificate proves {its.proven_ms:.0f} ms"
    return Why("deadline_unproven", f"{text}: a faster model, or a longer way to the rejecter")


def unsafe(gate: "Gate") -> list[Why]:
    """Why nothing may be OK now, whatever a picture shows."""
    if gate.plc is not None and gate.plc.plc.purge:
        return [Why("purge", "the PLC purges the belt: CTRL bit purge")]
    if len(gate.records.held) >= BEHIND or gate.records.journal.full:
        return [Why("recorder_behind", f"{len(gate.records.held)} rows not on disk yet: see logs/recorder.jsonl")]
    return []


def void(gate: "Gate", part: Part, answer: Inspected) -> list[Why]:
    """Why this answer does not count; empty: it does."""
    if late := answered_late(part, answer) or shows_next(gate, part, answer) or repeated(gate, answer):
        return [late]
    why = unsafe(gate)
    return [*why, *answer.reasons] if why else []


def answered_late(part: Part, answer: Inspected) -> Why | None:
    """It came after the deadline."""
    if part.laps_ns["answered"] < part.deadline_ns:
        return None
    return Why("engine_late", f"answer came after the deadline; it said {answer.verdict}")


def shows_next(gate: "Gate", part: Part, answer: Inspected) -> Why | None:
    """A picture without an exposure time of its own may be of the next part, once that one has come to the camera."""
    pictures = [one for one in answer.pictures if one.clock == "host"]
    if part.look.position == 0:
        pictures = [one for one in pictures if one.arrived_ns >= (part.next_seen_ns or FAR)]
    elif not carried_on(gate, part):
        pictures = []
    if not pictures:
        return None
    return Why("exposed_late", f"camera {pictures[0].camera}: its picture arrived after the next part had come")


def repeated(gate: "Gate", answer: Inspected) -> Why | None:
    """A camera that gives the very same pixels twice shows no part any more: noise alone makes any two differ."""
    still = {camera.name for camera in gate.station.cameras if camera.may_repeat}
    same = [one for one in answer.pictures if gate.pictures.get(one.camera) == one.sha256 and one.camera not in still]
    gate.pictures |= {one.camera: one.sha256 for one in answer.pictures}
    if not same or answer.verdict == Verdict.NOT_INSPECTED:  # that has its own reason
        return None
    text = f"camera {same[0].camera} gave the same picture as for the part before"
    return Why("picture_repeated", f"{text}: check the camera; may_repeat = true where pictures come from files")


def carried_on(gate: "Gate", part: Part) -> bool:
    """The belt has brought the next part to these cameras meanwhile."""
    its = gate.engine.recipe(part.recipe)
    if gate.plc is None or its is None or its.least_spacing_counts is None or part.trigger.encoder is None:
        return True
    return moved(gate.plc.handshake.encoder, part.trigger.encoder + part.look.position) >= its.least_spacing_counts


def still_judged(gate: "Gate", trigger: Trigger) -> Why | None:
    """The same id is before the engine, or between two cameras, at this moment."""
    same = [one for one in gate.in_flight() if one.trigger.part_id and one.trigger.part_id == trigger.part_id]
    return (
        Why("presented_again", f"part id {trigger.part_id} is being judged as part {same[0].number}") if same else None
    )


def published_late(gate: "Gate", trigger: Trigger, spacing: int | None) -> Why | None:
    """By the encoder the part has left the camera: its sensor saw it long before the PLC told us."""
    follows = any(camera.trigger_source == "software" for camera in gate.station.cameras)
    if not follows or spacing is None or trigger.behind is None or -spacing < 2 * trigger.behind < spacing:
        return None
    if trigger.behind < 0:
        return Why("encoder_fault", f"the belt's encoder is {-trigger.behind} counts before this trigger's")
    text = f"the belt moved {trigger.behind} counts between the part sensor and this trigger, spacing is {spacing}"
    return Why("trigger_late", f"{text}: speed up the PLC's scan")


def blind(gate: "Gate") -> list[Why]:
    """Without the belt's encoder nobody knows when a part is before a camera further along."""
    far = [camera.name for camera in gate.station.cameras if camera.position_counts]
    if not far or gate.plc is None or gate.plc.handshake.encoder:
        return []
    return [Why("encoder_missing", f"camera {far[0]} has position_counts: the PLC must give ENCODER")]

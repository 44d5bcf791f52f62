"""The one place where a part gets its verdict: first the ledger's record leaves, then the PLC is told.

In this order a gate killed in between leaves a row with OK for a part that the PLC rejects, never the reverse.
"""

from typing import TYPE_CHECKING, Any

from edge.gate.looks import merged
from edge.gate.part import Judged, Part, judge, row
from edge.messages import Inspected, Why
from plc_io.handshake import Result
from vocabulary import DeviceError, Verdict, worst

if TYPE_CHECKING:
    from edge.gate.loop import Gate

TROUBLE = {  # reason → bit of the status word that tells the PLC of it for a while
    **dict.fromkeys(("engine_late", "engine_busy", "too_many_waiting", "shed"), "overrun"),
    **dict.fromkeys(
        ("trigger_gap", "trigger_torn", "trigger_ring_overrun", "gate_restarted", "exposure_missed"), "missed_trigger"
    ),
}
OUT_OF_TIME = {"exposed_late", "engine_late", "engine_busy", "too_many_waiting", "shed"}  # the deadline was missed


def finish(gate: "Gate", part: Part, verdict: Verdict, reasons: list[Why], answer: Inspected | None) -> None:
    """`verdict`, `reasons` and `answer` are of the last look; those before it count as well."""
    said = [*part.answers, answer] if answer else part.answers
    whole = merged(said) if said else None
    verdict = worst([verdict, *(Verdict(earlier.verdict) for earlier in part.answers)])
    reasons = [*reasons, *(why for earlier in part.answers for why in earlier.reasons)]
    its = gate.engine.recipe(part.recipe)
    mode, lane = gate.mode_for(its), its.recheck_lane if its else False
    forced, keyed = gate.modes.value("verdict"), gate.keyed(mode)
    judged = judge(mode, verdict, reasons, recheck_lane=lane, forced=forced, keyed=keyed)
    seen_bad = whole is not None and any(tool.verdict == Verdict.NG for tool in whole.tools)
    kept = Verdict.NG if seen_bad else judged.judged  # what counts if the part is presented again
    gate.presented.judged(part.trigger, part.number, kept)
    body = row(gate.station.name, mode, part, judged, whole, context(gate))
    lacks = [why.code for why in its.unproven] if its else []  # AUTO all the same: allow_provisional
    gate.records.add("part", part.number, body | {"kept": kept, "unproven": lacks, "taken": gate.deliveries.laps()})
    gate.counts[judged.verdict] += 1
    gate.counts["missed"] += any(why.code in OUT_OF_TIME for why in judged.reasons)
    for bit in {TROUBLE[why.code] for why in judged.reasons if why.code in TROUBLE}:
        gate.trouble_ns[bit] = gate.clock.now_ns()
    if its is not None:
        gate.reactions.use(its.reactions)
    hold = judged.disposition == "HOLD"
    counted = judged.judged if hold else judged.verdict
    gate.react(gate.reactions.told(part.trigger.part_id, counted, hold=hold))
    gate.keep()
    tell_plc(gate, part, judged, whole)


def not_inspected(gate: "Gate", part: Part, why: list[Why], answer: Inspected | None = None) -> None:
    """The part leaves without a verdict."""
    finish(gate, part, Verdict.NOT_INSPECTED, why, answer)


def tell_plc(gate: "Gate", part: Part, judged: Judged, answer: Inspected | None) -> None:
    """Write the result; a link that fails now keeps it queued with its sequence."""
    trigger, session = part.trigger, gate.plc
    if session is None or trigger.part_id is None or trigger.plc_epoch != session.plc.plc_epoch:
        return  # nobody there waits for this one: the PLC rejects what it gets no OK for
    now = gate.clock.now_ns()
    score = answer.score if answer else None
    latency_ms = (now - (part.seen_ns or trigger.seen_ns)) / 1e6
    number = answer.defect_class if answer and judged.verdict is judged.judged else 0
    result = Result(trigger.plc_epoch, trigger.number, judged.verdict, number, score or 0.0, latency_ms)
    try:
        session.send(result)
    except DeviceError as err:
        gate.plc_fault = err  # the PLC refuses the result if it comes too late
    gate.deliveries.sent(trigger, part.number, now, gate.clock.now_ns())


def context(gate: "Gate") -> dict[str, Any]:
    """What the PLC tells of people and material."""
    plc = gate.plc.plc if gate.plc else None
    return {"lot": plc.lot, "shift": plc.shift, "operator": plc.operator} if plc else {}

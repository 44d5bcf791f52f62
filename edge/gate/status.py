"""What the station is doing: for READY and the status word, for every page, for the alarms."""

from typing import TYPE_CHECKING, Any

from edge.gate.admission import cannot_inspect, deadline_unproven
from edge.messages import GateState, Why
from plc_io.fault_codes import FAULT_CODES, OTHER
from plc_io.session import PlcSession
from plc_io.signals import RESULT_SLOTS
from vocabulary import Mode

if TYPE_CHECKING:
    from edge.gate.loop import Gate

SHOWN_NS = 5_000_000_000  # so long a bit stays on after its cause: any PLC scan and a person sees it
RESTING = (Mode.OFFLINE, Mode.SETUP)  # nothing is judged for the machine: READY is off


def unmet(gate: "Gate") -> list[Why]:
    """What keeps READY off, the most important first."""
    found = []
    if gate.records.channel is None or gate.plc is None:
        found.append(Why("recorder_absent", "recorder is not there: see logs/recorder.jsonl"))
    if gate.plc_fault is not None:
        found.append(Why("plc_lost", str(gate.plc_fault)))
    elif gate.plc is not None and not gate.plc.ready_to_run:
        found += [Why(reason.code, reason.text) for reason in gate.plc.reasons]
    if gate.modes.wanted in RESTING:
        found.append(Why(f"mode_{gate.modes.wanted.lower()}", f"station is in {gate.modes.wanted}"))
    if gate.plc is not None and gate.plc.backlog > RESULT_SLOTS:
        text = f"the PLC has not taken {gate.plc.backlog} results"
        found.append(Why("results_not_taken", f"{text}: is its program that of `jidoka plc map`, and in RUN?"))
    if one := gate.reactions.hold:
        found.append(Why("held", f"{one.text}: {one.remedy}; then reset"))
    return found + cannot_inspect(gate)


def lasting(gate: "Gate") -> list[Why]:
    """What is not as it should be although parts are judged."""
    its = gate.engine.recipe()
    found = [*gate.records.notes, *(its.notes if its else [])]
    if (worst_ms := gate.transport.worst_ms) > (allowed_ms := gate.station.plc.transport_ms):
        text = f"the way to the PLC and back took {worst_ms:.1f} ms, plc.transport_ms allows {allowed_ms:g}"
        found.append(Why("transport_slow", f"{text}: raise it, or speed up scan, poll and network"))
    state = gate.engine.state
    found += state.notes if state else []
    if missing := sorted({*gate.degraded, *(state.degraded if state else [])}):
        found.append(Why("degraded_timing", f"timing is degraded: missing {', '.join(missing)}"))
    if its is not None and (why := deadline_unproven(gate, its)):
        found.append(why)
    if why := gate.shedding.lately(gate.clock.now_ns()):
        found.append(why)
    return found


def banner(gate: "Gate") -> list[Why]:
    """What every page shows while it is true."""
    forced = [Why("forced", f"{signal} is forced to {value}") for signal, (value, _) in gate.modes.forced.items()]
    latched = [Why("alarm", f"{one.text}: {one.action}") for one in gate.alarms.listed() if one.latched]
    hidden = {one.key for one in gate.alarms.listed() if one.state == "shelved"}
    found = [*forced, *latched, *(why for why in lasting(gate) if why.code not in hidden)]
    its = gate.engine.recipe()
    override = "AUTO runs under allow_provisional" if gate.station.allow_provisional else "OBSERVE until released"
    return found + [Why(why.code, f"{why.text}: {override}") for why in (its.unproven if its else [])]


def conditions(gate: "Gate") -> dict[str, str]:
    """Reason code → text of all that may be an alarm."""
    return {why.code: why.text for why in [*lasting(gate), *reversed(unmet(gate))]}


def fault_code(gate: "Gate") -> int:
    """The number of what keeps READY off, else of what happened on the line, else of the first alarm; 0: none."""
    codes = [why.code for why in unmet(gate) if why.code != "held"]
    codes += [one.rule.on for one in gate.reactions.raised.values()]
    codes += [alarm.key for alarm in gate.alarms.listed()]
    return FAULT_CODES.get(codes[0], OTHER) if codes else 0


def show(gate: "Gate", session: PlcSession) -> None:
    """Our status word and header, as the PLC will read them. Forced signals win, in SETUP only."""
    status, state, forced = session.status, gate.engine.state, gate.modes.value
    its = gate.engine.recipe()
    status.online = gate.modes.wanted is not Mode.OFFLINE
    status.ready = not [why for why in unmet(gate) if not why.code.startswith(("plc_", "map_"))]
    status.mode = gate.permitted(its)
    status.fault_code = fault_code(gate)
    status.stop_request = gate.reactions.stop
    status.fault = any(alarm.priority == 1 or alarm.latched for alarm in gate.alarms.standing.values())
    for signal in ("ready", "stop_request", "fault"):
        if (value := forced(signal)) is not None:
            setattr(status, signal, value == "on")
    for bit in ("overrun", "missed_trigger"):
        setattr(status, bit, gate.clock.now_ns() - gate.trouble_ns.get(bit, -SHOWN_NS) < SHOWN_NS)
    status.degraded_timing = bool(gate.degraded or (state and state.degraded))
    status.recipe_active = state.recipe if state else 0
    status.recipe_checksum = int(its.sha256[:4], 16) if its else 0  # as Keyence's: somebody changed settings


def message(gate: "Gate", sequence: int, now_ns: int) -> GateState:
    """For the pages."""
    state, its, view = gate.engine.state, gate.engine.recipe(), gate.plc.plc if gate.plc else None
    plc: dict[str, Any] = {"uri": gate.station.plc.uri, "linked": gate.plc_fault is None and view is not None}
    if view is not None:
        plc |= {"parts": view.parts, "rejects": view.rejects, "timeouts": view.timeouts, "last": gate.deliveries.last}
        plc["transport_ms"] = gate.transport.worst_ms
    why_not, until_ns = unmet(gate), gate.modes.until_ns
    return GateState(
        gate.epoch,
        sequence,
        now_ns,
        gate.mode,
        gate.modes.wanted,
        not why_not,
        why_not,
        banner(gate),
        its.name if its else "",
        state.recipe if state else 0,
        plc,
        gate.counts
        | {"shed": gate.shedding.parts, "pictures_shed": gate.shedding.pictures}
        | {"held": len(gate.records.held), "held_most": gate.records.most_held},
        its.takt_s if its else 0.0,
        gate.deadline_ms(its),
        gate.alarms.listed(),
        {signal: value for signal, (value, _) in gate.modes.forced.items()},
        None if until_ns is None else (until_ns - now_ns) / 1e9,
        {number: one.name for number, one in gate.engine.recipes.items()},
    )

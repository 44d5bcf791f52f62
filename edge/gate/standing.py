"""What outlives a killed gate beside its records: mode, forcing, alarms, the recipe asked for."""

from typing import TYPE_CHECKING

import msgspec

from edge.gate.alarms import Alarms
from edge.gate.reactions import Raised
from edge.messages import AlarmState, ReactionRule, Welcome
from vocabulary import Mode

if TYPE_CHECKING:
    from edge.gate.loop import Gate


class Standing(msgspec.Struct):
    """Times are monotonic nanoseconds of this boot; the memory that keeps this does not outlive it."""

    wanted: Mode
    after: Mode
    until_ns: int | None
    forced: dict[str, tuple[str, int]]
    alarms: list[AlarmState]
    reactions: list[tuple[ReactionRule, str, str]]  # rule, text, remedy
    recipe: int | None  # asked for at this station; None: as started
    seen: list[tuple[ReactionRule, list[bool]]]  # by rules over several parts


def pack(gate: "Gate") -> bytes:
    """For the journal."""
    modes, alarms = gate.modes, list(gate.alarms.standing.values())
    raised = [(one.rule, one.text, one.remedy) for one in gate.reactions.raised.values()]
    return msgspec.msgpack.encode(
        Standing(
            modes.wanted, modes.after, modes.until_ns, modes.forced, alarms, raised, gate.recipe, gate.reactions.seen()
        )
    )  # fmt: skip


def from_ledger(gate: "Gate", welcome: Welcome) -> None:
    """The station was switched on again: what a person asked for and what nobody acknowledged still hold."""
    gate.modes.wanted = gate.modes.after = Mode(welcome.mode or gate.station.mode)
    gate.recipe = welcome.recipe
    for body in welcome.latched:
        rule = ReactionRule(*body["rule"])
        gate.reactions.raised[rule] = Raised(rule, body["text"], body["action"])
        gate.alarms.stands(
            body["key"], body["text"], body["priority"], body["action"], gate.clock.now_ns(), body["utc"]
        )
    if welcome.mode not in (None, gate.station.mode) or welcome.recipe is not None or welcome.latched:
        asked = f"mode {gate.modes.wanted}, recipe {gate.recipe or 'as in station.toml'}"
        gate.note("standing_restored", f"as the ledger says: {asked}, {len(welcome.latched)} alarms not acknowledged")


def restore(gate: "Gate", data: bytes) -> None:
    """Go on where a killed gate stood; empty: this is the first gate of this start."""
    if not data:
        return
    try:
        left = msgspec.msgpack.decode(data, type=Standing)
    except msgspec.DecodeError as err:
        gate.modes.wanted = gate.modes.after = Mode.OBSERVE
        gate.note("standing_unreadable", f"what the gate before this one left can't be read: OBSERVE ({err})")
        return
    gate.modes.wanted, gate.modes.after, gate.modes.until_ns = left.wanted, left.after, left.until_ns
    gate.modes.forced = left.forced
    gate.alarms = Alarms(left.alarms)
    gate.reactions.raised = {rule: Raised(rule, text, remedy) for rule, text, remedy in left.reactions}
    gate.reactions.saw(left.seen)
    gate.recipe = left.recipe

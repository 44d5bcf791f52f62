"""Which recipe is asked for, and the way there: between parts, and no part is judged by another than its own."""

from typing import TYPE_CHECKING

from edge.messages import Why

if TYPE_CHECKING:
    from edge.gate.loop import Gate


def wanted(gate: "Gate") -> int | None:
    """The number that PLC or station ask for; None: whatever is active."""
    if gate.station.plc.recipe_master == "plc":
        return (gate.plc.plc.recipe_req or None) if gate.plc else None
    return gate.recipe


def latched(gate: "Gate", by_plc: int | None) -> int | None:
    """The recipe by which a part triggered now is judged: the PLC's word, else the active one. None: no engine."""
    if gate.station.plc.recipe_master == "plc" and by_plc:
        return by_plc
    return gate.engine.state.recipe if gate.engine.state else None


def why_not(gate: "Gate", by_trigger: int | None) -> list[Why]:
    """Another recipe is asked for than is active. `by_trigger`: what the PLC latched for this part, which wins."""
    state, number = gate.engine.state, wanted(gate)
    if state is None:
        return []
    by_plc = gate.station.plc.recipe_master == "plc" and bool(by_trigger)
    number = by_trigger if by_plc else number
    if number is not None and number not in gate.engine.recipes:
        return [Why("recipe_unknown", f"recipe {number} is asked for, there is none: add it at recipes/<name>/")]
    if by_plc or number in (None, state.recipe):
        return []
    return [Why("change_over", f"recipe {number} is being made active")]


def go_on(gate: "Gate") -> None:
    """Ask the engine, between parts only; again until it has it."""
    state, number = gate.engine.state, wanted(gate)
    if state is None or number in (None, state.recipe) or number not in gate.engine.recipes or gate.in_flight():
        return
    gate.engine.change_over(number)

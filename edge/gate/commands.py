"""What people may ask the gate for. Each command is in the audit trail before it comes here, and an event row after."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge.gate.modes import LONGEST_S
from edge.messages import LONGEST, Command, Commanded
from vocabulary import InspectionError, Mode, SettingsError

if TYPE_CHECKING:
    from edge.gate.loop import Gate


MOST_S = 1e6  # more than any command may last; what each allows is less


def execute(gate: "Gate", command: Command) -> Commanded:
    """Do it, or say why not. Raises nothing."""
    does: dict[str, Callable[[Gate, Command], str]] = {
        "mode": mode, "force": force, "release": release, "acknowledge": acknowledge, "shelve": shelve,
        "unshelve": unshelve, "recipe": recipe,
    }  # fmt: skip
    words = command.name, command.value, command.who, command.why
    try:
        if max(map(len, words)) > LONGEST:
            command = replace(command, name=command.name[:LONGEST], value="", who=command.who[:LONGEST], why="")
            raise SettingsError("a word of the command", f"at most {LONGEST} characters")
        if command.for_s is not None and not 0 <= command.for_s <= MOST_S:  # also when it is no number
            raise SettingsError(f"for {command.for_s:g} s", f"a number of seconds up to {MOST_S:g}")
        if command.what not in does:
            raise SettingsError(f"command {command.what!r}", f"one of {', '.join(does)}")
        text, done = does[command.what](gate, command), True
    except InspectionError as err:
        text, done = str(err), False
    if done and command.what == "recipe":
        command = replace(command, value=str(gate.recipe))
    gate.keep()  # before the row: what a row says was done holds
    code = "command_done" if done else "command_refused"
    asked = {"what": command.what, "name": command.name, "value": command.value, "for_s": command.for_s}
    gate.note(code, text, who=command.who, why=command.why, **command.trail(), asked=asked)
    return Commanded(command.sequence, done, text)


def mode(gate: "Gate", command: Command) -> str:
    """Another mode; SETUP and BYPASS with the PLC's key, and for a time."""
    try:
        wanted = Mode(command.name)
    except ValueError as err:
        raise SettingsError(f"mode {command.name!r}", f"one of {', '.join(Mode)}") from err
    gate.modes.want(wanted, command.for_s, gate.clock.now_ns(), gate.granted(wanted))
    permitted = gate.permitted(gate.engine.recipe())
    held = "" if permitted is wanted else f"; OBSERVE until the PLC permits AUTO and {wanted} is proven"
    return f"mode {wanted}" + (f" for {command.for_s:g} s" if wanted in LONGEST_S else "") + held


def force(gate: "Gate", command: Command) -> str:
    """Hold a signal or the verdict at a value for a while."""
    gate.modes.force(command.name, command.value, command.for_s or 0.0, gate.clock.now_ns())
    return f"{command.name} is forced to {command.value} for {command.for_s:g} s"


def release(gate: "Gate", command: Command) -> str:
    """End forcing of one signal; without a name of all."""
    names = [command.name] if command.name else list(gate.modes.forced)
    if any(name not in gate.modes.forced for name in names):
        raise SettingsError(f"release {command.name}", f"forced are: {', '.join(gate.modes.forced) or 'none'}")
    for name in names:
        del gate.modes.forced[name]
    return f"no longer forced: {', '.join(names) or 'nothing was'}"


def acknowledge(gate: "Gate", command: Command) -> str:
    """Seen. What a reaction holds or stops goes on."""
    gate.tell(gate.alarms.acknowledge(command.name, command.who))
    gate.reactions.reset(command.name)
    return f"alarm {command.name} acknowledged"


def shelve(gate: "Gate", command: Command) -> str:
    """Hide an alarm for a while."""
    for_ns = int((command.for_s or 0.0) * 1e9)
    gate.tell(gate.alarms.shelve(command.name, command.who, for_ns, gate.clock.now_ns()))
    return f"alarm {command.name} shelved for {command.for_s:g} s"


def unshelve(gate: "Gate", command: Command) -> str:
    """Bring a shelved alarm back."""
    gate.tell(gate.alarms.unshelve(command.name, command.who))
    return f"alarm {command.name} unshelved"


def recipe(gate: "Gate", command: Command) -> str:
    """Change over, where the station is master of the recipe."""
    if gate.station.plc.recipe_master != "station":
        raise SettingsError(f"recipe {command.name}", "the PLC is master of the recipe: plc.recipe_master")
    known = {its.name: number for number, its in gate.engine.recipes.items()}
    number = known.get(command.name)
    if number is None:
        raise SettingsError(f"recipe {command.name!r}", f"one of {', '.join(known) or 'none: no engine'}")
    gate.recipe = number
    return f"recipe {command.name} ({number}) is asked for; parts are judged by it once it is active"

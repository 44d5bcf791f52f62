"""Scripted faults: `NAME@PART` or `NAME@PART:VALUE`, done when that part comes to the camera."""

from dataclasses import dataclass

from vocabulary import SettingsError

KINDS = {
    "swap": "the pictures of this part and the next are shown swapped",
    "stop": "the belt stands still for VALUE seconds",
    "restart": "the PLC is switched off and on: new epoch, belt purged",
    "skip": "the trigger sequence jumps by VALUE",
    "silent": "the PLC answers nothing for VALUE seconds",
    "stall": "one scan takes VALUE seconds: no logic, no answers, while the belt moves on",
}
DEFAULT = {"stop": 1.0, "skip": 1.0, "silent": 1.0, "stall": 0.2}


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault."""

    kind: str
    part: int
    value: float


def parse(text: str) -> Fault:
    """`swap@20`, `stop@30:2.5`. Raises SettingsError."""
    kind, _, rest = text.partition("@")
    part, _, number = rest.partition(":")
    try:
        if kind not in KINDS:
            raise ValueError(kind)
        return Fault(kind, int(part), float(number) if number else DEFAULT.get(kind, 0.0))
    except ValueError as err:
        raise SettingsError(f"--fault {text!r}", f"NAME@PART[:VALUE] with one of {', '.join(KINDS)}") from err

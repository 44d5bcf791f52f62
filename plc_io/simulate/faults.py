"""Scripted faults: `NAME@PART` or `NAME@PART:VALUE`, done when that part comes to the camera."""

from dataclasses import dataclass

from vocabulary import SettingsError

KINDS = {
    "swap": "the pictures of this part and the next are shown swapped",
    "stop": "the belt stands still for VALUE seconds",
    "restart": "the PLC is switched off and on: new epoch, belt purged",
    "skip": "the trigger sequence jumps by VALUE",
    "silent": "the PLC answers nothing for VALUE seconds",
    "jam": "the rejecter does not move: the part passes whatever was decided",
    "misfire": "the rejecter pushes a part with OK out",
    "unseen": "no sensor behind the rejecter sees the part",
    "miscount": "the PLC's counter of rejects jumps by VALUE",
    "gap": "no part comes for VALUE seconds before this one",
    "trigger_missing": "the PLC misses the sensor: the part runs on unregistered",
    "trigger_doubled": "the sensor bounces: the PLC registers a second part where none is",
    "trigger_late": "the PLC publishes the trigger VALUE seconds after the sensor",
    "exposure_missing": "the wire does not fire the camera",
    "exposure_doubled": "the wire fires the camera twice",
    "exposure_lost": "the camera counts the exposure and loses its picture",
    "exposure_late": "the picture arrives VALUE seconds later",
    "again": "the part that came VALUE parts before is presented again, with its id",
    "recipe": "the PLC asks for recipe VALUE, and feeds when vision says it is active",
    "purge": "the PLC sets its purge bit for VALUE seconds",
    "stall": "one scan takes VALUE seconds: no logic, no answers, while the belt moves on",
}
DEFAULT = {
    "stop": 1.0,
    "skip": 1.0,
    "silent": 1.0,
    "stall": 0.2,
    "miscount": 10.0,
    "gap": 3.0,
    "again": 1.0,
    "recipe": 1.0,
    "purge": 1.0,
    "trigger_late": 0.1,
    "exposure_late": 0.1,
}


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

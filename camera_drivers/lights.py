"""The light contract: strobes on a trigger, set in percent and microseconds, refused before they burn a light.

A driver writes one setting, reads it back and compares; it never retries, decides or logs. Which pulse the LEDs stand
is their data sheet's to say: `Strobe.duty_limit_percent`; the controller's own limits are the driver's table.
"""

from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Protocol

from vocabulary import SettingsError

LIGHTS = {  # scheme → module, class
    "gardasoft": ("camera_drivers.gardasoft", "GardasoftLight"),
}


@dataclass(frozen=True, slots=True)
class Strobe:
    """One pulse for each trigger on one channel."""

    intensity_percent: float  # of the light's rated current; more than 100 is overdrive
    pulse_us: float
    delay_us: float  # from the trigger edge to the pulse
    period_us: float  # shortest time between two triggers that the line can give
    duty_limit_percent: float = 100.0  # of the light, from its data sheet at this intensity

    @property
    def duty_percent(self) -> float:
        """The part of the time that the light is on when triggers come as fast as they may."""
        return 100.0 * self.pulse_us / self.period_us


@dataclass(frozen=True, slots=True)
class Limit:
    """What a controller allows up to an intensity."""

    intensity_percent: float
    pulse_us: float
    duty_percent: float


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel as the controller says it is; None where it does not say."""

    channel: int
    strobe_on: bool  # a trigger makes a pulse
    dark: bool  # no light with or without a trigger
    intensity_percent: float
    pulse_us: float
    delay_us: float
    retrigger_us: float  # triggers that come sooner are ignored; 0: none is
    rating_a: float | None  # rated current that the percents refer to


@dataclass(frozen=True, slots=True)
class LightInfo:
    """Who the controller is."""

    uri: str
    model: str | None
    firmware: str | None
    channels: int  # numbered from 1


class Light(Protocol):
    """A strobe controller. Life: open → strobe, off, read… → close; close twice is harmless."""

    name: str

    @property
    def info(self) -> LightInfo:
        """Identity; complete after `open`."""

    def open(self) -> None:
        """Connect and ask who it is. Raises DeviceLost, DeviceTimeout (no answer), Unsupported."""

    def check(self, channel: int, asked: Strobe) -> Strobe:
        """Refuse what this kind of controller can't do; one that is open is asked for its channels and lights too.

        Returns: the pulse as it would be sent. Raises SettingsError, DeviceError.
        """

    def strobe(self, channel: int, asked: Strobe) -> ChannelState:
        """Pulse at each trigger; read back and compared. Raises SettingsError (impossible, over duty), DeviceError."""

    def off(self, channel: int) -> ChannelState:
        """Dark, whatever triggers come; read back. Raises DeviceError."""

    def read(self, channel: int) -> ChannelState:
        """Ask the controller. Raises DeviceError, SettingsError (no such channel)."""

    def probe(self) -> None:
        """One uncached answer of the living controller. Raises DeviceLost, DeviceTimeout."""

    def close(self) -> None:
        """Let go of the port; the channels stay as they are."""


def light(uri: str, name: str) -> Light:
    """The light controller at `uri`, not opened. Raises SettingsError for an unknown scheme."""
    scheme, _, rest = uri.partition(":")
    if scheme not in LIGHTS:
        raise SettingsError(f"light {name}: uri {uri!r}: no driver {scheme!r}", f"one of {', '.join(LIGHTS)}")
    module, kind = LIGHTS[scheme]
    made: Light = getattr(import_module(module), kind)(name, rest)
    return made


def probe(uri: str) -> dict[str, Any]:
    """Open, ask who it is and what each channel does, close; changes nothing. Raises DeviceError, SettingsError."""
    one = light(uri, uri.partition(":")[0])
    try:
        one.open()
        states = [asdict(one.read(channel)) for channel in range(1, one.info.channels + 1)]
        return {**asdict(one.info), "states": states}
    finally:
        one.close()


def table(probed: dict[str, Any]) -> str:
    """What `probe` found, a line for each channel."""
    lines = [f"{probed['uri']}  {probed['model']} {probed['firmware']}, {probed['channels']} channels"]
    for one in probed["states"]:
        does = "dark" if one["dark"] else "pulse" if one["strobe_on"] else "lit all the time, or switched by its input"
        pulse = f"{one['intensity_percent']:g} %, {one['pulse_us']:g} µs after {one['delay_us']:g} µs"
        rating = "rating not known" if one["rating_a"] is None else f"rated {one['rating_a']:g} A"
        lines.append(f"channel {one['channel']}: {does} ({pulse}, at most each {one['retrigger_us']:g} µs; {rating})")
    return "\n".join(lines)


def set_channel(uri: str, channel: int, asked: Strobe | None) -> ChannelState:
    """One channel of a controller at the bench, read back; None: dark. Raises DeviceError, SettingsError."""
    one = light(uri, uri.partition(":")[0])
    try:
        one.open()
        return one.off(channel) if asked is None else one.strobe(channel, asked)
    finally:
        one.close()


def check_strobe(what: str, asked: Strobe, limits: tuple[Limit, ...]) -> None:
    """Refuse a pulse that controller or light do not stand. `limits` by rising intensity. Raises SettingsError."""
    limit = next((one for one in limits if asked.intensity_percent <= one.intensity_percent), None)
    if limit is None or not asked.intensity_percent >= 0:
        top = limits[-1].intensity_percent
        raise SettingsError(f"{what}: intensity {asked.intensity_percent:g} %", f"0 to {top:g} %")
    if asked.pulse_us > limit.pulse_us:
        told = f"pulse of {asked.pulse_us:g} µs at {asked.intensity_percent:g} %"
        raise SettingsError(f"{what}: {told}", f"at most {limit.pulse_us:g} µs there")
    if not 0 < asked.duty_limit_percent <= 100:
        raise SettingsError(f"{what}: duty limit {asked.duty_limit_percent:g} %", "more than 0, at most 100 %")
    duty = min(limit.duty_percent, asked.duty_limit_percent)
    if not asked.duty_percent <= duty * (1 + 1e-9):
        told = f"{asked.pulse_us:g} µs each {asked.period_us:g} µs is {asked.duty_percent:.3g} % duty"
        least = asked.pulse_us * 100 / duty
        remedy = f"at most {duty:g} % at {asked.intensity_percent:g} %: a period of {least:.0f} µs or more"
        raise SettingsError(f"{what}: {told}", remedy)
    if not asked.delay_us + asked.pulse_us <= asked.period_us:
        told = f"delay {asked.delay_us:g} µs and pulse {asked.pulse_us:g} µs"
        raise SettingsError(f"{what}: {told}", f"together at most the period, {asked.period_us:g} µs")

"""Gardasoft RT controllers over RS-232 (RT260, RT460, RT860F), through pyserial (extra `lights`).

Source: Gardasoft "RTxxx LED lighting controllers - User Manual" (RT-20 series), sections 7.2 (limits), 12.2 (port),
12.3 (commands), 13.3 and 13.4 (errors); its revision 10 for the ranges of RT, the output of ST and appendix B.4
(currents), as quoted in a published terminal project (KickdriveOliver/docklight, Gardasoft_RT.ptn). Never met hardware:
only a peer on a pseudo-terminal that was written from the same pages.

Nothing is saved in the controller (AW): settings are written at each start. Trigger input, polarity and the rating of
the light (RP, RE, VL) belong to commissioning and are left alone.
"""

import math
import re
import time
from typing import Any

from camera_drivers.lights import ChannelState, LightInfo, Limit, Strobe, check_strobe
from vocabulary import DeviceError, DeviceLost, DeviceTimeout, InspectionError, SettingsError, Unsupported

PORT: dict[str, Any] = {"baudrate": 115200, "bytesize": 8, "parity": "N", "stopbits": 1}  # 12.2; no handshaking
END, PROMPT = b"\r", b">"  # 12.2: ends a command; 12.3: ends an answer
COMMANDS = {  # 12.3: two letters, channel, numbers; times in milliseconds
    "version": "VR",
    "read": "ST{channel}",
    "strobe": "RT{channel},{pulse},{delay},{percent},{retrigger}",
    "off": "RS{channel},0",  # continuous at 0 %
}
MODEL = re.compile(r"RT([248])\d\d\S* .*V\d+")  # "RT420-20 (HW02) V031"; the first digit counts the channels
CONTINUOUS, PULSE = 0, 1  # ST: MD; also 2 switched, 3 selected
LIMITS = (  # 7.2, brightness → pulse width, duty cycle; the command takes 0 to 999 %
    Limit(100, 999_000, 100),
    Limit(200, 30_000, 30),
    Limit(300, 10_000, 20),
    Limit(500, 2_000, 10),
    Limit(999, 1_000, 5),
)
CURRENT_LIMITS = ((5.0, 3_000), (10.0, 1_000), (12.0, 400), (20.0, 100))  # B.4, amperes → pulse; between: the next row
SHORT_US = 70.0  # B.4: in shorter pulses faults can't be seen, so the duty is limited, by amperes
SHORT_DUTY = ((0.5, 10.0), (math.inf, 1.0))
TIME_US = (20.0, 999_000.0)  # RT: pulse width and delay
RETRIGGER_STEP_US = 100.0  # 7.2
ERRORS = {  # 13.3, 13.4
    1: "a parameter value is invalid",
    2: "command not recognised",
    3: "numeric value in the wrong format",
    4: "wrong number of parameters",
    5: "a parameter was out of range and was adjusted",
    19: "the light of a channel has no rating",
    40: "one channel puts out more current than expected",
    41: "one channel puts out more current than expected",
    44: "the controller is too hot",
    45: "one channel puts out more current than expected",
    46: "one channel dissipates more than 30 W",
    47: "protection against heat in the output driver",
}
OURS = {1, 2, 3, 4, 5, 19}  # a setting is wrong; the others are the controller's own state
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}
REPLY_S = 0.5  # ours; the manual names no time
QUIET_S = 0.05  # after a lost answer: so long without a byte, and it will not come any more


def sdk() -> Any:
    """pyserial. Raises Unsupported where the extra is not installed."""
    try:
        import serial
    except ImportError as err:
        raise Unsupported("gardasoft", "pyserial is not installed", "pip install 'jidoka[lights]'") from err
    return serial


class GardasoftLight:
    """`gardasoft:/dev/ttyUSB0`. One thread uses it."""

    def __init__(self, name: str, rest: str) -> None:
        self.name, self.port = name, rest
        self._serial: Any = None
        self._late = False  # an answer is owed that nobody waits for any more
        self._info = LightInfo(f"gardasoft:{rest}", None, None, 0)

    @property
    def info(self) -> LightInfo:
        """Model and channels once open."""
        return self._info

    def open(self) -> None:
        """Open the port, ask for the version. Raises DeviceLost, DeviceTimeout, Unsupported."""
        self.close()
        try:
            self._serial = sdk().Serial(self.port, **PORT, timeout=REPLY_S, write_timeout=REPLY_S, exclusive=True)
            self._late = True  # whatever a predecessor asked for
            model, channels = self._version()
        except (OSError, ValueError) as err:  # SerialException is an OSError
            raise DeviceLost(self.name, f"{self.port}: {err}", "check cable, port and other programs") from err
        except InspectionError:
            self.close()
            raise
        self._info = LightInfo(f"gardasoft:{self.port}", model.split()[0], model.split()[-1], channels)

    def strobe(self, channel: int, asked: Strobe) -> ChannelState:
        """Pulse mode; triggers that come sooner than the period are ignored. Raises SettingsError, DeviceError.

        Where the controller refuses or holds something else the channel is switched off; where no answer comes nobody
        knows what it does.
        """
        self._has(channel)
        steps = self.check(channel, asked)
        numbers = {
            "pulse": short(asked.pulse_us / 1e3),
            "delay": short(asked.delay_us / 1e3),
            "percent": short(asked.intensity_percent),
            "retrigger": short(steps.period_us / 1e3),
        }
        try:
            self._ask("strobe", channel=channel, **numbers)
            state = self.read(channel)
            self._compare(steps, state)
        except (DeviceLost, DeviceTimeout):
            raise
        except (DeviceError, SettingsError):
            self.off(channel)
            raise
        return state

    def check(self, channel: int, asked: Strobe) -> Strobe:
        """Its tables, and once open its channels and the rating of the light. Raises SettingsError, DeviceError.

        Returns: the pulse in the controller's steps.
        """
        what = f"light {self.name}: channel {channel}"
        for field, value in (("pulse", asked.pulse_us), ("delay", asked.delay_us)):
            if not TIME_US[0] <= value <= TIME_US[1]:
                raise SettingsError(f"{what}: {field} {value:g} µs", f"{TIME_US[0]:g} to {TIME_US[1]:g} µs")
        if not RETRIGGER_STEP_US <= asked.period_us <= TIME_US[1]:
            allowed = f"{RETRIGGER_STEP_US:g} to {TIME_US[1]:g} µs"
            raise SettingsError(f"{what}: period {asked.period_us:g} µs", allowed)
        retrigger_us = math.floor(asked.period_us / RETRIGGER_STEP_US) * RETRIGGER_STEP_US
        steps = Strobe(asked.intensity_percent, asked.pulse_us, asked.delay_us, retrigger_us, asked.duty_limit_percent)
        check_strobe(what, steps, LIMITS)
        if self._serial is not None:
            self._has(channel)
            check_current(what, steps, self.read(channel).rating_a)
        return steps

    def off(self, channel: int) -> ChannelState:
        """Continuous mode at 0 %. Raises DeviceError, SettingsError (no such channel)."""
        self._has(channel)
        self._ask("off", channel=channel)
        state = self.read(channel)
        if not state.dark:
            raise DeviceError(self.name, f"channel {channel} was switched off and says {state}", "cut its power")
        return state

    def read(self, channel: int) -> ChannelState:
        """`ST`. Raises DeviceError for an answer that is none, SettingsError for a channel it has not."""
        self._has(channel)
        answer = self._ask("read", channel=channel)
        try:
            state = parse_state(answer)
        except ValueError as err:
            raise DeviceError(self.name, f"answered {answer!r}: {err}", "check cable, port and model") from err
        if state.channel != channel:
            raise DeviceError(self.name, f"asked for channel {channel}, answered {answer!r}", "close and open it")
        return state

    def probe(self) -> None:
        """`VR`. Raises DeviceLost, DeviceTimeout, DeviceError (another controller answers)."""
        model, _ = self._version()
        if model.split()[0] != self._info.model:
            raise DeviceError(self.name, f"was {self._info.model}, is {model}", "close and open it")

    def close(self) -> None:
        """Let go of the port."""
        port, self._serial = self._serial, None
        if port is not None:
            port.close()

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _version(self) -> tuple[str, int]:
        answer = self._ask("version")
        found = MODEL.fullmatch(answer)
        if found is None:
            raise Unsupported(self.name, f"{answer!r} is no RT controller", "RT260, RT460 or RT860F")
        return answer, int(found[1])

    def _has(self, channel: int) -> None:
        if self._serial is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        if not 1 <= channel <= self._info.channels:
            raise SettingsError(f"light {self.name}: channel {channel}", f"1 to {self._info.channels}")

    def _ask(self, what: str, **numbers: object) -> str:
        """Send one command; its answer without echo and prompt. Raises SettingsError, DeviceError."""
        if self._serial is None:
            raise DeviceLost(self.name, "is not open", "open it first")
        command = COMMANDS[what].format(**numbers)
        try:
            self._forget()
            self._serial.write(command.encode() + END)
            raw = self._until_prompt()
        except sdk().SerialTimeoutException as err:
            raise DeviceTimeout(self.name, f"{command} could not be sent", "check cable and port") from err
        except OSError as err:  # SerialException is one
            self.close()
            raise DeviceLost(self.name, f"{self.port}: {err}", "check cable and power") from err
        if not raw.endswith(PROMPT):
            self._late = True
            came = f"only {raw!r} came" if raw else "no answer"
            raise DeviceTimeout(self.name, f"{command}: {came} within {REPLY_S:g} s", "check cable, port and power")
        lines = raw[: -len(PROMPT)].decode("ascii", "backslashreplace").replace("\n", "\r").split("\r")
        said = [line.strip() for line in lines if line.strip()]
        if said and said[0] == command:  # some echo
            said = said[1:]
        self._refused(command, said)
        return " ".join(said)

    def _until_prompt(self) -> bytes:
        end, raw = time.monotonic() + REPLY_S, b""
        while not raw.endswith(PROMPT) and (left := end - time.monotonic()) > 0:
            self._serial.timeout = left
            raw += self._serial.read(max(1, self._serial.in_waiting))
        return raw

    def _forget(self) -> None:
        """What came unasked is nobody's answer."""
        self._serial.timeout = QUIET_S if self._late else 0
        end = time.monotonic() + REPLY_S
        while self._serial.read(256) and time.monotonic() < end:
            pass
        self._late = False

    def _refused(self, command: str, said: list[str]) -> None:
        """Raises SettingsError for values it does not take, DeviceError for its own faults and for words not known."""
        for line in said:
            if found := re.fullmatch(r"Err ?(\d+)", line):
                number = int(found[1])
                words = f"{command}: Err {number}, {ERRORS.get(number, 'see its manual, section 13')}"
                if number in OURS:
                    raise SettingsError(f"light {self.name}: {words}", "change the setting, or the light's rating")
                raise DeviceError(self.name, words, "check light and controller")
        if said and not command.startswith(("VR", "ST")):
            raise DeviceError(self.name, f"{command}: answered {said!r}", "check cable, port and model")

    def _compare(self, asked: Strobe, state: ChannelState) -> None:
        """Raises DeviceError naming what the controller holds instead."""
        what = f"channel {state.channel}"
        if not state.strobe_on:
            raise DeviceError(self.name, f"{what}: asked for pulses, the controller says {state}", "check its mode")
        for field, value, held in (
            ("intensity", asked.intensity_percent, state.intensity_percent),
            ("pulse", asked.pulse_us, state.pulse_us),
            ("delay", asked.delay_us, state.delay_us),
            ("retrigger", asked.period_us, state.retrigger_us),
        ):
            if abs(held - value) > max(0.1, 1e-3 * value):  # it says four digits
                told = f"{what}: {field}: asked {value:g}, the controller holds {held:g}"
                raise DeviceError(self.name, told, "ask for what it can do")


def check_current(what: str, asked: Strobe, rating_a: float | None) -> None:
    """Refuse more current than the controller gives for so long. Nothing is known of a light rated in volts.

    Raises SettingsError.
    """
    if rating_a is None:
        return
    amperes = rating_a * asked.intensity_percent / 100
    told = f"{what}: {asked.intensity_percent:g} % of {rating_a:g} A is {amperes:.3g} A"
    if amperes > CURRENT_LIMITS[-1][0]:
        raise SettingsError(told, f"at most {CURRENT_LIMITS[-1][0]:g} A")
    longest = next(pulse for most, pulse in CURRENT_LIMITS if amperes <= most)
    if amperes >= CURRENT_LIMITS[0][0] and asked.pulse_us > longest:
        raise SettingsError(f"{told} for {asked.pulse_us:g} µs", f"at most {longest:g} µs")
    duty = next(duty for most, duty in SHORT_DUTY if amperes <= most)
    if asked.pulse_us < SHORT_US and asked.duty_percent > duty:
        short_pulse = f"{told}, with {asked.duty_percent:.3g} % duty of pulses under {SHORT_US:g} µs"
        raise SettingsError(short_pulse, f"at most {duty:g} %")


def parse_state(answer: str) -> ChannelState:
    """`CH1,MD0,S 50.0, 0.0,DL1.000ms,PU1.000ms,RT 0.0us,IP1,FL0,CS0.000A,RA0.000A`. Raises ValueError."""
    fields: dict[str, tuple[float, str]] = {}
    for part in answer.replace(" ", "").split(","):
        found = re.fullmatch(r"([A-Z]*)(\d+(?:\.\d+)?)(us|ms|s|A)?", part)
        if found is None or found[1] in fields:
            raise ValueError(f"{part!r} is no field")
        fields[found[1]] = (float(found[2]), found[3] or "")
    missing = [name for name in ("CH", "MD", "S", "DL", "PU", "RT") if name not in fields]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
    mode, percent = int(fields["MD"][0]), fields["S"][0]
    times = []
    for name in ("PU", "DL", "RT"):
        number, unit = fields[name]
        if unit not in UNITS:
            raise ValueError(f"{name} has no unit of time")
        times.append(number * UNITS[unit])
    rating = max(fields.get(name, (0.0, ""))[0] for name in ("CS", "RA"))
    dark = mode == CONTINUOUS and percent == 0
    return ChannelState(
        int(fields["CH"][0]), mode == PULSE, dark, percent, times[0], times[1], times[2], rating or None
    )


def short(number: float) -> str:
    """At most four decimals, never an exponent."""
    return f"{number:.4f}".rstrip("0").rstrip(".")

"""The engine's lights, each in a thread of its own: an answer may take half a second, and no part can wait.

A light holds what the active recipe asks when each channel was written, read back and compared. From then on every
channel is read again and again: a controller that was switched off and on answers, but with other settings.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from camera_drivers.lights import ChannelState, Light, Strobe
from camera_drivers.lights import light as make_light
from edge.engine.cameras import BACKOFF_S
from edge.recipe_lights import RecipeLights, strobes
from edge.settings import LightSettings
from vocabulary import Clock, DeviceError, DeviceLost, DeviceTimeout, InspectionError, Reason, SettingsError

PROVE_S = 0.5  # between two readings of a light whose settings hold
STALE_NS = 3_000_000_000  # a thread without a word for so long hangs in its port: one write takes four answers of 0.5 s
SETTLING, LOST = "light_settling", "light_lost"  # reason codes
FAR_NS = 1 << 62


class LightOut(DeviceError):
    """The light does not, or did not, do what the recipe asks; `reason` has its own code."""

    def __init__(self, device: str, reason: Reason) -> None:
        super().__init__(device, reason.text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Standing:
    """What the thread last came to; swapped whole."""

    why: Reason | None  # None: it holds what is asked
    since_ns: int = FAR_NS  # and has held it since


class StationLight:
    """One light controller of the station through all its losses."""

    def __init__(self, name: str, settings: LightSettings, clock: Clock) -> None:
        self.name, self.settings, self.clock = name, settings, clock
        self.driver: Light = make_light(settings.uri, name)
        self._wanted: dict[int, Strobe] = {}  # by channel; the others are dark
        self._version = 0  # of what is wanted; 0: nobody has said yet
        self._standing = Standing(Reason(SETTLING, f"light {name}: not set yet"))
        self._heard_ns = clock.now_ns()
        self._changed = threading.Condition()
        self._closing = False
        self._open = False
        self._held: dict[int, tuple[Strobe | None, ChannelState]] = {}
        self._thread = threading.Thread(target=self._run, name=f"light {name}", daemon=True)

    @property
    def why_not(self) -> Reason | None:
        """Why no part can be exposed now; None: it can. Never waits."""
        standing = self._standing
        if standing.why is None and (silent_ns := self.clock.now_ns() - self._heard_ns) > STALE_NS:
            return Reason(LOST, f"light {self.name}: its port hangs for {silent_ns / 1e9:.0f} s: check cable")
        return standing.why

    def use(self, wanted: dict[int, Strobe]) -> None:
        """What the active recipe asks; nothing is exposed until the controller holds it."""
        with self._changed:
            if wanted == self._wanted and self._version:
                return
            self._wanted, self._version = wanted, self._version + 1
            if (why := self._standing.why) is None or why.code != LOST:
                self._standing = Standing(Reason(SETTLING, f"light {self.name}: the recipe's settings are being set"))
            self._changed.notify_all()
        if not self._thread.is_alive():
            self._thread.start()

    def settle(self, until_ns: int) -> None:
        """Wait for settings that are on their way. Raises LightOut when it does not hold them by then."""
        with self._changed:
            while (why := self.why_not) is not None and why.code == SETTLING:
                left_ns = until_ns - self.clock.now_ns()
                if left_ns <= 0 or not self._changed.wait(left_ns / 1e9):
                    break
        self.lit(self.clock.now_ns())

    def lit(self, exposed_ns: int) -> None:
        """It held the recipe's settings at that time and still does. Raises LightOut."""
        if (why := self.why_not) is not None:
            raise LightOut(self.name, why)
        if exposed_ns < self._standing.since_ns:
            text = f"light {self.name}: exposed before the recipe's settings were set"
            raise LightOut(self.name, Reason(SETTLING, text))

    def close(self) -> None:
        """End the thread; the channels stay as they are."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(STALE_NS / 1e9)

    # ── on its thread ────────────────────────────────────────────────────────────────────────────────────────────
    def _run(self) -> None:
        version, failures, wait_s = 0, 0, 0.0
        while True:
            with self._changed:
                if version == self._version:
                    self._changed.wait(wait_s or None)
                if self._closing:
                    break
                version, wanted = self._version, self._wanted
            try:
                self._hold(wanted)
            except InspectionError as err:
                self._stand(Standing(reason_of(err)), self._version)
                self._let_go()
                wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                failures += 1
            else:
                failures, wait_s = 0, PROVE_S
                if self._standing.why is not None:
                    self._stand(Standing(None, self.clock.now_ns()), version)
        self._let_go()

    def _hold(self, wanted: dict[int, Strobe]) -> None:
        """Write each channel that is to do something else, read the others again. Raises DeviceError, SettingsError."""
        if not self._open:
            self.driver.open()
            self._open = True
        channels = range(1, self.driver.info.channels + 1)
        for channel in channels:
            asked = wanted.get(channel)
            before, held = self._held.get(channel, (None, None))
            if held is not None and before == asked:
                if (now := comparable(self.driver.read(channel))) != held:
                    remedy = "was it switched off, or set by somebody else?"
                    raise DeviceError(self.name, f"channel {channel} held {held}, now {now}", remedy)
            else:
                state = self.driver.off(channel) if asked is None else self.driver.strobe(channel, asked)
                self._held[channel] = asked, comparable(state)
            self._heard_ns = self.clock.now_ns()
        if missing := [channel for channel in wanted if channel not in channels]:
            raise SettingsError(f"light {self.name}: channel {missing[0]}", f"it has 1 to {channels[-1]}")

    def _stand(self, standing: Standing, version: int) -> None:
        """Unless something else is wanted meanwhile."""
        with self._changed:
            if version == self._version:
                self._standing = standing
                self._changed.notify_all()

    def _let_go(self) -> None:
        self.driver.close()
        self._open, self._held = False, {}


class Lights:
    """All lights of the station; a part is exposed only while each holds what the recipe asks."""

    def __init__(self, lights: Mapping[str, LightSettings], clock: Clock) -> None:
        self.all = [StationLight(name, settings, clock) for name, settings in lights.items()]
        self.starts = len(self.all)  # of threads, with the first recipe

    @property
    def why_not(self) -> list[Reason]:
        """Why no part can be exposed now; empty: it can."""
        return [why for light in self.all if (why := light.why_not) is not None]

    def use(self, asked: RecipeLights) -> None:
        """What the active recipe asks of each; one that it does not name is dark."""
        for light in self.all:
            light.use(strobes(asked.get(light.name, {}), light.settings))

    def settle(self, until_ns: int) -> None:
        """Wait for settings that are on their way. Raises LightOut."""
        for light in self.all:
            light.settle(until_ns)

    def lit(self, exposed_ns: int) -> None:
        """All held the recipe's settings at that time and still do. Raises LightOut."""
        for light in self.all:
            light.lit(exposed_ns)

    def close(self) -> None:
        """End the threads."""
        for light in self.all:
            light.close()


def reason_of(err: InspectionError) -> Reason:
    """Is it gone, does it refuse, or does it misbehave? Each has its own remedy."""
    gone, refused = isinstance(err, DeviceLost | DeviceTimeout), isinstance(err, SettingsError)
    code = LOST if gone else "light_refused" if refused else "light_failed"
    return Reason(code, str(err) if refused else f"light {err}")


def comparable(state: ChannelState) -> ChannelState:
    """What must not change by itself: everything but the current that some controllers measure."""
    return replace(state, rating_a=None)

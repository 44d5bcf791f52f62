"""Who releases parts now. The wanted mode, as far as PLC and evidence permit it; what is forced, and until when."""

from vocabulary import Mode, SettingsError, Verdict

FORCIBLE = {
    "ready": ("on", "off"),
    "fault": ("on", "off"),
    "stop_request": ("on", "off"),
    "verdict": (Verdict.NG.value, Verdict.RECHECK.value, Verdict.NOT_INSPECTED.value),  # only AUTO may emit OK
}
LONGEST_FORCE_S = 600.0
LONGEST_S = {Mode.SETUP: 3600.0, Mode.BYPASS: 8 * 3600.0}  # these end by themselves, in the mode before
KEYS = {Mode.SETUP: "allow_setup", Mode.BYPASS: "bypass_key"}  # bits of CTRL without which they are not permitted


class Modes:
    """`wanted` is what station.toml or a person asked for; times are monotonic nanoseconds."""

    def __init__(self, start: Mode) -> None:
        self.wanted, self.after = start, start  # `after`: what follows when a timed mode ends
        self.until_ns: int | None = None
        self.forced: dict[str, tuple[str, int]] = {}  # signal → value, until

    def want(self, mode: Mode, for_s: float | None, now_ns: int, granted: bool) -> None:
        """Change. Raises SettingsError: no key of the PLC, no time or too much of it."""
        if (longest := LONGEST_S.get(mode)) is not None:
            if not granted:
                raise SettingsError(f"mode {mode}", f"the PLC does not permit it: CTRL bit {KEYS[mode]} is off")
            if for_s is None or not 0 < for_s <= longest:
                raise SettingsError(f"mode {mode}", f"say for how long: more than 0, at most {longest:.0f} s")
            if self.wanted not in LONGEST_S:
                self.after = self.wanted
            self.until_ns = now_ns + int(for_s * 1e9)
        elif for_s is not None:
            raise SettingsError(f"mode {mode}", "lasts until somebody asks for another: no time")
        else:
            self.until_ns = None
        self.wanted = mode
        self.forced.clear()

    def force(self, signal: str, value: str, for_s: float, now_ns: int) -> None:
        """Hold a signal or the verdict at a value. Raises SettingsError: not in SETUP, unknown, too long."""
        if self.wanted is not Mode.SETUP:
            raise SettingsError(f"force {signal}", f"only in SETUP, the station is in {self.wanted}")
        if signal not in FORCIBLE or value not in FORCIBLE[signal]:
            known = "; ".join(f"{name}={'|'.join(values)}" for name, values in FORCIBLE.items())
            raise SettingsError(f"force {signal}={value}", f"one of {known}")
        if not 0 < for_s <= LONGEST_FORCE_S:
            raise SettingsError(f"force {signal}: {for_s:g} s", f"more than 0, at most {LONGEST_FORCE_S:.0f} s")
        self.forced[signal] = value, now_ns + int(for_s * 1e9)

    def look(self, now_ns: int, granted: bool) -> list[str]:
        """End what is over, or what the PLC no longer permits. Returns what ended, in words."""
        ended = []
        for signal in [name for name, (_, until) in self.forced.items() if now_ns >= until]:
            del self.forced[signal]
            ended.append(f"forcing of {signal} ended: its time is up")
        if self.wanted in LONGEST_S and (not granted or (self.until_ns is not None and now_ns >= self.until_ns)):
            why = "its time is up" if granted else "the PLC took its permission back"
            ended.append(f"{self.wanted} ended, back to {self.after}: {why}")
            self.wanted, self.until_ns = self.after, None
            self.forced.clear()
        return ended

    def permitted(self, *, auto: bool) -> Mode:
        """The wanted mode; AUTO only with the PLC's leave and evidence (`auto`), else OBSERVE."""
        return Mode.OBSERVE if self.wanted is Mode.AUTO and not auto else self.wanted

    def value(self, signal: str) -> str | None:
        """What a signal is forced to; None: it is not."""
        return self.forced[signal][0] if signal in self.forced else None

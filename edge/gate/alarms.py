"""Alarms in the sense of ISA-18.2: few, each with what to do. A state machine without clock or I/O.

                 acknowledge                  condition ends
UNACKNOWLEDGED ───────────────▶ ACKNOWLEDGED ────────────────▶ gone
       │ condition ends                       acknowledge
       └─────────────▶ RETURNED ─────────────────────────────▶ gone
SHELVED hides an alarm for a limited time; it comes back unless its condition has ended.
A latched alarm is about something that happened: its condition ends when somebody acknowledges it.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from edge.messages import AlarmState
from vocabulary import SettingsError

UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED, SHELVED = "unacknowledged", "acknowledged", "returned", "shelved"
LONGEST_SHELF_NS = 8 * 3600 * 10**9  # a shift: nobody of the next one knows of it otherwise
SETTLE_NS = 2_000_000_000  # a condition must last, or be gone, so long: a restart of one process is no alarm
CONDITIONS = {  # reason code → priority (1: at once, 2: within the hour, 3: within the shift) and what to do
    "plc_lost": (1, "check the PLC's power and cable, then plc.uri; parts are rejected meanwhile"),
    "plc_heartbeat": (1, "put the PLC into RUN; parts are rejected meanwhile"),
    "map_version": (1, "load the PLC blocks that `jidoka plc map` prints"),
    "recorder_absent": (1, "read logs/recorder.err, free disk space; parts are rejected meanwhile"),
    "recorder_behind": (1, "free disk space or mend the disk; parts are rejected meanwhile"),
    "plc_disabled": (2, "let the PLC set CTRL bit enable, or take the station out of the line"),
    "plc_epoch": (1, "mend the PLC program: PLC_EPOCH must be new at each start and never 0"),
    "results_not_taken": (1, "load the PLC blocks that `jidoka plc map` prints; parts are rejected meanwhile"),
    "encoder_missing": (1, "let the PLC write ENCODER; parts are rejected meanwhile"),
    "join_ambiguous": (1, "let one gap come on the belt, then check trigger wire and camera"),
    "deadline_unproven": (2, "take a faster model, or let the PLC give a longer deadline; then certify again"),
    "shed": (2, "slow the belt, or take a faster model; parts that can't be judged in time are rejected meanwhile"),
    "engine_absent": (1, "read logs/engine.err; parts are rejected meanwhile"),
    "engine_silent": (1, "read logs/engine.err; parts are rejected meanwhile"),
    "camera_not_ready": (1, "check the camera's power, cable and address; parts are rejected meanwhile"),
    "light_lost": (1, "check the light controller's power, cable and port; parts are rejected meanwhile"),
    "light_failed": (
        1,
        "look at the light controller: too hot, switched off, set by somebody else; parts are rejected",
    ),
    "picture_drifting": (2, "clean lens and light, check the lamp's age, focus and mounting; parts are still judged"),
    "trigger_offset_drifting": (
        2,
        "check sensor, belt and wire, then `jidoka camera calibrate`; parts are still judged",
    ),
    "light_refused": (1, "mend [lights] of recipe or station.toml; parts of this recipe are rejected meanwhile"),
    "model_failed": (1, "activate the previous package; parts are rejected meanwhile"),
    "recipe_unknown": (1, "add the recipe, or let the PLC ask for one that is there"),
    "ledger_stuck": (1, "free disk space or mend the disk; no row is lost yet"),
    "disk_low": (2, "free disk space: pictures are not kept"),
    "pictures_not_kept": (2, "free or mend the disk, or keep fewer OK pictures (pictures.keep_ok_share)"),
    "picture_altered": (2, "find out who changed the picture folder; restore it from its backup"),
    "picture_missing": (2, "find out who changed the picture folder; restore it from its backup"),
    "package_kept": (2, "restore the package file that the recipe names, or teach again"),
    "recipe_broken": (2, "mend the recipe file and restart the station; the others are used meanwhile"),
    "transport_slow": (2, "raise plc.transport_ms, or speed up scan, poll and network"),
    "degraded_timing": (3, "grant the rights that `jidoka doctor` names"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """Something for the ledger."""

    code: str  # alarm_raised, alarm_returned, alarm_acknowledged, alarm_shelved, alarm_unshelved, alarm_gone
    alarm: AlarmState


class Alarms:
    """All alarms that stand, by key."""

    def __init__(self, standing: list[AlarmState] | None = None) -> None:
        self.standing = {alarm.key: alarm for alarm in standing or []}
        self._since: dict[str, int] = {}  # key → since when a condition is there without an alarm, or an alarm without

    def happened(self, key: str, text: str, priority: int, action: str, now_ns: int, utc: str) -> list[Change]:
        """A latched alarm, raised at once; one that stands already only gets the newer words."""
        if (known := self.standing.get(key)) is not None:
            self.standing[key] = replace(known, text=text)
            return []
        return self._raise(AlarmState(key, priority, text, action, UNACKNOWLEDGED, True, now_ns, utc, None, ""))

    def stands(self, key: str, text: str, priority: int, action: str, now_ns: int, utc: str) -> None:
        """A latched alarm of before this start, raised then."""
        self.standing[key] = AlarmState(key, priority, text, action, UNACKNOWLEDGED, True, now_ns, utc, None, "")

    def look(self, conditions: dict[str, str], now_ns: int, utc: str) -> list[Change]:
        """Take in which conditions hold now (code → text); those without an entry in CONDITIONS are no alarms."""
        there = {code: text for code, text in conditions.items() if code in CONDITIONS}
        stand = {key for key, alarm in self.standing.items() if not alarm.latched and alarm.state != RETURNED}
        changes: list[Change] = []
        for key in [key for key in self._since if (key in there) == (key in stand)]:
            del self._since[key]
        for key in sorted(set(there) ^ stand):
            if now_ns - self._since.setdefault(key, now_ns) < SETTLE_NS:
                continue
            del self._since[key]
            changes += self._ended(key) if key in stand else self._began(key, there[key], now_ns, utc)
        for key in stand & set(there):
            self.standing[key] = replace(self.standing[key], text=there[key])
        return changes + self._shelf_over(now_ns)

    def acknowledge(self, key: str, who: str) -> list[Change]:
        """Somebody has seen it and acts. Raises SettingsError: no such alarm."""
        alarm = self._named(key)
        if alarm.latched or alarm.state == RETURNED:
            del self.standing[key]
            return [Change("alarm_acknowledged", replace(alarm, by=who)), Change("alarm_gone", alarm)]
        self.standing[key] = replace(alarm, state=ACKNOWLEDGED, until_ns=None, by=who)
        return [Change("alarm_acknowledged", self.standing[key])]

    def shelve(self, key: str, who: str, for_ns: int, now_ns: int) -> list[Change]:
        """Hide it for a while. Raises SettingsError: no such alarm, priority 1, latched, too long."""
        alarm = self._named(key)
        if alarm.state == RETURNED:
            raise SettingsError(f"alarm {key}", "has returned: acknowledge it")
        if alarm.priority == 1 or alarm.latched:
            raise SettingsError(f"alarm {key}", "can't be shelved: it stops or holds the line; act and acknowledge it")
        if not 0 < for_ns <= LONGEST_SHELF_NS:
            raise SettingsError(f"alarm {key}: {for_ns / 1e9:g} s", "shelve for at most 8 h, a shift")
        self.standing[key] = replace(alarm, state=SHELVED, until_ns=now_ns + for_ns, by=who)
        return [Change("alarm_shelved", self.standing[key])]

    def unshelve(self, key: str, who: str) -> list[Change]:
        """Bring it back before its time. Raises SettingsError: no such alarm, not shelved."""
        alarm = self._named(key)
        if alarm.state != SHELVED:
            raise SettingsError(f"alarm {key}", f"is not shelved, it is {alarm.state}")
        self.standing[key] = replace(alarm, state=UNACKNOWLEDGED, until_ns=None, by=who)
        return [Change("alarm_unshelved", self.standing[key])]

    def listed(self) -> list[AlarmState]:
        """As a page shows them: what nobody has seen first, then by priority and age; shelved ones last."""
        order = (UNACKNOWLEDGED, RETURNED, ACKNOWLEDGED, SHELVED)
        return sorted(self.standing.values(), key=lambda one: (order.index(one.state), one.priority, one.raised_ns))

    def _began(self, key: str, text: str, now_ns: int, utc: str) -> list[Change]:
        priority, action = CONDITIONS[key]
        if (known := self.standing.get(key)) is not None:  # returned, never acknowledged, and back
            self.standing[key] = replace(known, state=UNACKNOWLEDGED, text=text)
            return [Change("alarm_raised", self.standing[key])]
        return self._raise(AlarmState(key, priority, text, action, UNACKNOWLEDGED, False, now_ns, utc, None, ""))

    def _raise(self, alarm: AlarmState) -> list[Change]:
        self.standing[alarm.key] = alarm
        return [Change("alarm_raised", alarm)]

    def _ended(self, key: str) -> list[Change]:
        alarm = self.standing[key]
        if alarm.state == UNACKNOWLEDGED:
            self.standing[key] = replace(alarm, state=RETURNED)
            return [Change("alarm_returned", self.standing[key])]
        del self.standing[key]
        return [Change("alarm_gone", alarm)]

    def _shelf_over(self, now_ns: int) -> list[Change]:
        over = [one for one in self.standing.values() if one.until_ns is not None and now_ns >= one.until_ns]
        return [change for alarm in over for change in self.unshelve(alarm.key, "time is up")]

    def _named(self, key: str) -> AlarmState:
        if key not in self.standing:
            raise SettingsError(f"alarm {key!r}", f"none of these stands: {', '.join(self.standing) or 'none at all'}")
        return self.standing[key]

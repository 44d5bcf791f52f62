"""`jidoka camera calibrate`: how far behind its trigger a wired camera exposes, measured part by part on an empty belt.

part      ──▓──────────────────────▓────────────      sent one at a time: `quiet_s` without anything between them
trigger     [e s]                   [e s]             it came between the poll before (e) and the poll that saw it (s)
frame            ▓                       ▓            offset of this part: at − s … at − e

The station does not run meanwhile: these parts get no verdict, so the PLC rejects them. Where the ledger has rows since
this PLC's last start, it gets a NOT_INSPECTED row for each when the station starts. The audit trail has the result.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import tomlkit

from edge.atomic import replace
from edge.audit import Audit
from edge.command import ledger_head, user
from edge.engine.cameras import StationCamera
from edge.engine.wired import unfit
from edge.gate.looks import BeltPosition, Look, arrival
from edge.process import new_epoch
from edge.recipe import read_recipe
from edge.settings import CameraSettings, StateFolder, read_station
from edge.supervisor import take_lock
from plc_io.drivers import link
from plc_io.handshake import Trigger
from plc_io.session import PlcSession
from vocabulary import Clock, DeviceTimeout, MonotonicClock, SettingsError

U32 = 1 << 32
MOST_OF_HALF = 0.5  # of half the part spacing may be used up now: the rest is for wear, temperature and belt slip


@dataclass(frozen=True, slots=True)
class Fired:
    """A part came before the camera: between these places (nanoseconds, or the encoder's one count), noticed at."""

    earliest: int
    latest: int
    noticed_ns: int


@dataclass(frozen=True, slots=True)
class Exposed:
    """A frame: its place, and when it was noticed."""

    at: int
    noticed_ns: int


@dataclass(frozen=True, slots=True)
class Offset:
    """What one part says: the offset lies between these."""

    low: int
    high: int

    @property
    def middle(self) -> float:
        """The best guess."""
        return (self.low + self.high) / 2


def offsets(events: Iterable[Fired | Exposed], quiet_ns: int, *, wraps: bool = False) -> tuple[list[Offset], list[str]]:
    """One offset for each trigger that came alone with one frame, and what was wrong with the others. Pure."""
    alone: list[list[Fired | Exposed]] = []
    for event in sorted(events, key=lambda event: event.noticed_ns):
        if not alone or event.noticed_ns - alone[-1][-1].noticed_ns > quiet_ns:
            alone.append([])
        alone[-1].append(event)
    found, refused = [], []
    for together in alone:
        fired = [event for event in together if isinstance(event, Fired)]
        exposed = [event for event in together if isinstance(event, Exposed)]
        if len(fired) == len(exposed) == 1:
            low, high = exposed[0].at - fired[0].latest, exposed[0].at - fired[0].earliest
            found.append(Offset(nearest(low), nearest(high)) if wraps else Offset(low, high))
        else:
            refused.append(f"{len(fired)} triggers and {len(exposed)} frames together")
    return found, refused


def nearest(counts: int) -> int:
    """A difference of u32 encoder counts, with its sign."""
    return (counts + U32 // 2) % U32 - U32 // 2


def agreed(found: list[Offset], half: int) -> dict[str, Any]:
    """The offset that all parts fit best, and how much of half the part spacing the worst of them uses up."""
    low, high = max(one.low for one in found), min(one.high for one in found)
    offset = (low + high) / 2 if low <= high else median(one.middle for one in found)
    worst = max(max(offset - one.high, one.low - offset, 0) for one in found)
    spread = max(one.middle for one in found) - min(one.middle for one in found)
    return {"offset": offset, "spread": spread, "worst": worst, "of_half": worst / half}


class Bench:
    """One wired camera and the PLC, without gate and engine."""

    def __init__(self, station_file: Path, name: str, clock: Clock) -> None:
        station = read_station(station_file)
        base = station_file.resolve().parent
        its = {camera.name: camera for camera in station.cameras}.get(name)
        if its is None:
            names = ", ".join(camera.name for camera in station.cameras)
            raise SettingsError(f"camera {name!r}: not in {station_file}", f"one of {names}")
        if its.trigger_source == "software":
            raise SettingsError(
                f"camera {name!r}: trigger_source software has no offset", "calibrate cameras that the line fires"
            )
        self.settings: CameraSettings = its
        self.by_encoder = its.trigger_source == "encoder"
        recipe = read_recipe(base / "recipes" / station.recipe, station.cameras, station.lights).recipe
        self.spacing = recipe.line.least_spacing_counts or 1
        self.half = self.spacing // 2 if self.by_encoder else int(recipe.line.exposure_window_ms * 1e6)
        self.clock = clock
        self.poll_s = station.plc.poll_ms / 1e3
        self.camera = StationCamera(its, base)
        self.camera.use(recipe.cameras.get(name, {}), recipe.line)
        self.plc = PlcSession(link(station.plc.uri), new_epoch(), None, clock, station.plc.heartbeat_lost_ms)
        self.events: list[Fired | Exposed] = []
        self._coming: list[Trigger] = []  # on the way to a camera further along

    def open(self) -> None:
        """Raises DeviceError."""
        self.camera.try_open()
        if self.camera.unmet is not None:
            raise self.camera.unmet
        self.plc.poll()

    def look(self) -> None:
        """One poll of the PLC, and every frame that has come. Raises DeviceError."""
        self._coming += [one for one in self.plc.poll() if isinstance(one, Trigger) and one.fault is None]
        for trigger in list(self._coming):
            if (fired := self._before_camera(trigger)) is not None:
                self._coming.remove(trigger)
                self.events.append(fired)
        while True:
            try:
                lease = self.camera.driver.next_frame(0.0)
            except DeviceTimeout:
                return
            with lease as frame:
                if (why := unfit(self.camera.name, frame, by_encoder=self.by_encoder)) is not None:
                    raise why
                at = frame.encoder if self.by_encoder and frame.encoder is not None else frame.exposed_ns
                self.events.append(Exposed(at, self.clock.now_ns()))

    def close(self) -> None:
        """Let go of camera and link."""
        self.camera.close()
        self.plc.link.close()

    def _before_camera(self, trigger: Trigger) -> Fired | None:
        """None: the belt has not brought it there yet. By encoder the place is known from the start."""
        position, now = self.settings.position_counts, self.clock.now_ns()
        if self.by_encoder or position:
            if trigger.encoder is None:
                raise SettingsError(
                    f"camera {self.settings.name!r}: triggers have no encoder count", "latch it in the PLC's ring"
                )
            place = (trigger.encoder + position) % U32
            belt = BeltPosition(self.plc.handshake.encoder, *self.plc.polled_ns)
            if position and arrival(trigger.encoder, Look(position, [self.settings.name]), belt, self.spacing) is False:
                return None
            if self.by_encoder:
                return Fired(place, place, now)
            return Fired(belt.earliest_ns or belt.seen_ns, belt.seen_ns, now)
        earliest = trigger.earliest_ns
        return Fired(earliest if earliest is not None else trigger.seen_ns, trigger.seen_ns, now)


def calibrate(
    station_file: Path,
    name: str,
    state: StateFolder,
    *,
    parts: int,
    for_s: float,
    quiet_s: float,
    write: bool,
    progress: Callable[[str, float], None],
) -> dict[str, Any]:
    """Measure until `parts` parts have come alone. `passed`: they agree well within half the part spacing.

    Raises SettingsError (no such camera, the station runs, not wired), DeviceTimeout (too few parts), DeviceError.
    """
    bench = Bench(station_file, name, clock := MonotonicClock())
    state.make()
    lock = take_lock(state)
    found: list[Offset] = []
    refused: list[str] = []
    try:
        bench.open()
        until_ns = clock.now_ns() + int(for_s * 1e9)
        while len(found) < parts:
            if clock.now_ns() > until_ns:
                told = "; ".join(refused[-3:]) or "no trigger and no frame came"
                remedy = f"send single parts, {quiet_s:g} s between them, and check sensor, wire and PLC program"
                raise DeviceTimeout(name, f"{len(found)} of {parts} parts came alone in {for_s:g} s ({told})", remedy)
            bench.look()
            quiet_since = max((event.noticed_ns for event in bench.events), default=clock.now_ns())
            if clock.now_ns() - quiet_since > quiet_s * 1e9:  # the belt is empty: what came so far is complete
                before = len(found)
                found, refused = offsets(bench.events, int(quiet_s * 1e9), wraps=bench.by_encoder)
                if len(found) != before:
                    progress(f"camera {name}: parts measured", min(1.0, len(found) / parts))
            time.sleep(bench.poll_s)
    finally:
        bench.close()
        lock.close()
    result = verdict(bench, found, refused, station_file if write else None)
    audit = Audit(state.station_db)
    noted = {key: result[key] for key in ("parts", "field", "value", "was", "passed", "written")}
    audit.append(user(), "calibrate", name=name, **noted, ledger=ledger_head(state))
    audit.close()
    return result


def verdict(bench: Bench, found: list[Offset], refused: list[str], write_to: Path | None) -> dict[str, Any]:
    """The setting that follows, in the words of station.toml."""
    its, unit = agreed(found, bench.half), 1.0 if bench.by_encoder else 1e6
    field = "trigger_offset_counts" if bench.by_encoder else "trigger_offset_ms"
    least = -bench.half * MOST_OF_HALF  # the window reaches so far before 0 anyway
    value = round(max(its["offset"], 0.0) / unit, 0 if bench.by_encoder else 2)
    passed = its["of_half"] <= MOST_OF_HALF and its["offset"] >= least
    problem = ""
    if its["offset"] < least:
        problem = (
            f"exposes {-its['offset'] / unit:.1f} before its trigger: is the PLC's trigger late, or the wrong sensor?"
        )
    elif not passed:
        problem = "parts disagree by too much of their spacing: raise it, or trigger by encoder"
    if write_to is not None and passed:
        written(write_to, bench.settings.name, field, int(value) if bench.by_encoder else value)
    return {
        "camera": bench.settings.name, "parts": len(found), "left_out": refused, "passed": passed, "problem": problem,
        "field": field, "value": int(value) if bench.by_encoder else value, "was": getattr(bench.settings, field),
        "spread": round(its["spread"] / unit, 3), "share_of_half_spacing": round(its["of_half"], 3),
        "half_spacing": bench.half / unit, "written": write_to is not None and passed,
    }  # fmt: skip


def written(path: Path, camera: str, field: str, value: float) -> None:
    """The file with the one value changed; people's comments stay. Raises SettingsError."""
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for its in document["cameras"]:
        if its["name"] == camera:
            its[field] = value
    try:
        replace(path, tomlkit.dumps(document).encode())
    except OSError as err:
        raise SettingsError(f"{path}: {err.strerror}", f"set {field} = {value:g} by hand") from err


def words(result: dict[str, Any]) -> str:
    """For people: the line for station.toml, and how sure it is."""
    unit = "counts" if result["field"] == "trigger_offset_counts" else "ms"
    lines = [
        f"camera {result['camera']}: {result['field']} = {result['value']}   (was {result['was']})",
        f"{result['parts']} parts agree within {result['spread']:g} {unit}; half the part spacing is "
        f"{result['half_spacing']:g} {unit}, of which the worst uses {result['share_of_half_spacing']:.0%}",
    ]
    lines += [f"left out: {one}" for one in result["left_out"]]
    if result["problem"]:
        lines.append(f"NOT good: {result['problem']}")
    elif result["written"]:
        lines.append("station.toml has it now: check the recipes' certificates, and start the station")
    return "\n".join(lines)

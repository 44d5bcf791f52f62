"""`jidoka doctor`: what is wrong on this machine or at this station, each with its remedy. Changes nothing."""

import ctypes
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from camera_drivers.drivers import camera as make_camera
from camera_drivers.lights import light as make_light
from edge.certificate import why_not
from edge.engine.cameras import from_base
from edge.engine.recipes import ReadyRecipe, load_recipes
from edge.realtime import policy
from edge.recipe_lights import strobes
from edge.recorder.disk import Disk
from edge.settings import (
    CameraSettings,
    LightSettings,
    PlcSettings,
    RealTimeSettings,
    StateFolder,
    Station,
    WebSettings,
    read_station,
)
from edge.supervisor import take_lock
from plc_io.drivers import link as make_link
from plc_io.signals import CTRL, MAP_VERSION, PLC_BASE, PLC_HEADER, get, size
from vocabulary import InspectionError, SettingsError

SYNC_MS = 50.0  # a slower disk delays the row's commit, never a part (design §8: commits start within 100 ms)
LATE_MS = 5.0  # a 2 ms loop that comes later than this polls the PLC too seldom
LOOP_S = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


def examine(station_file: Path | None, state: StateFolder) -> dict[str, Any]:
    """Look at the machine, and at the station if one is named. `passed` is False when anything is wrong."""
    station, findings = None, []
    if station_file is not None:
        try:
            station = read_station(station_file)
        except InspectionError as err:
            findings.append(Finding("station.toml", False, err.what, err.remedy))
    real_time = station.real_time if station else RealTimeSettings()
    findings += [rights(real_time), memory(real_time), cores(real_time), clock(state), timing(real_time)]
    findings += list(disk(state, station))
    if station is not None and station_file is not None:
        findings += list(at_station(station, station_file.parent, state))
    return {"passed": all(one.ok for one in findings), "findings": [asdict(one) for one in findings]}


def table(result: dict[str, Any]) -> str:
    """One line per finding, the wrong ones with their remedy."""
    lines = []
    for one in result["findings"]:
        remedy = f": {one['remedy']}" if one["remedy"] and not one["ok"] else ""
        lines.append(f"{'ok   ' if one['ok'] else 'WRONG'} {one['what']:<24} {one['found']}{remedy}")
    return "\n".join(lines)


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────────────────
def rights(real_time: RealTimeSettings) -> Finding:
    """May we have SCHED_FIFO?"""
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(real_time.gate_priority))
    except PermissionError:
        remedy = "give CAP_SYS_NICE or LimitRTPRIO=99; without it the deadline is not kept under load"
        return Finding("real-time priority", False, "SCHED_FIFO is refused", remedy)
    os.sched_setscheduler(0, policy, param)
    return Finding("real-time priority", True, f"SCHED_FIFO {real_time.gate_priority} is granted")


def memory(_: RealTimeSettings) -> Finding:
    """May we lock memory?"""
    libc = ctypes.CDLL(None, use_errno=True)
    locked = libc.mlockall(1) == 0
    libc.munlockall()
    remedy = "give CAP_IPC_LOCK or LimitMEMLOCK=infinity"
    return Finding("locked memory", locked, "granted" if locked else "mlockall is refused", remedy)


def cores(real_time: RealTimeSettings) -> Finding:
    """Are the named cores there?"""
    ours = os.sched_getaffinity(0)
    missing = {real_time.gate_core, real_time.engine_core} - ours
    found = f"this machine gives cores {sorted(ours)}"
    return Finding(
        "cores", not missing, found, f"real_time.gate_core, engine_core: {sorted(missing)} are not among them"
    )


def clock(state: StateFolder) -> Finding:
    """Is the time of day not before what the ledger has seen?"""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    last = ""
    if state.ledger.exists():
        try:
            with sqlite3.connect(f"file:{state.ledger}?mode=ro", uri=True) as db:
                row = db.execute("SELECT utc FROM entry ORDER BY entry DESC LIMIT 1").fetchone()
            db.close()
            last = row[0] if row else ""
        except sqlite3.Error:
            last = ""
    ok = now >= last[:19]
    return Finding("clock", ok, f"UTC {now}", f"the ledger's last row is of {last}: set the clock, run NTP or PTP")


def timing(real_time: RealTimeSettings) -> Finding:
    """How late a 2 ms loop comes for a second, as the gate would run."""
    policy, param, ours = os.sched_getscheduler(0), os.sched_getparam(0), os.sched_getaffinity(0)
    try:
        if real_time.gate_core in ours:
            os.sched_setaffinity(0, {real_time.gate_core})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(real_time.gate_priority))
    except PermissionError:
        pass  # measured as it is
    worst_s, due = 0.0, time.monotonic()
    until = due + LOOP_S
    while due < until:
        due = max(due + 0.002, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        worst_s = max(worst_s, time.monotonic() - due)
    os.sched_setscheduler(0, policy, param)
    os.sched_setaffinity(0, ours)
    worst_ms = worst_s * 1e3
    return Finding(
        "timing", worst_ms < LATE_MS, f"a 2 ms loop was {worst_ms:.2f} ms late at worst in {LOOP_S:.0f} s",
        "give real-time priority, take other work off this machine, disable deep sleep states in the BIOS",
    )  # fmt: skip


def disk(state: StateFolder, station: Station | None) -> Iterator[Finding]:
    """Room and speed of the disk under the state folder."""
    try:
        state.make()
        probe = state.root / ".doctor"
        laps = []
        for _ in range(20):
            began = time.perf_counter()
            with probe.open("wb") as file:
                file.write(b"\0" * 4096)
                file.flush()
                os.fsync(file.fileno())
            laps.append((time.perf_counter() - began) * 1e3)
        probe.unlink()
    except (InspectionError, OSError) as err:
        yield Finding("state folder", False, str(err), "choose a writable --state on a disk with room")
        return
    laps.sort()
    middle = laps[len(laps) // 2]
    yield Finding(
        "disk speed", middle < SYNC_MS, f"a synced write takes {middle:.1f} ms, {laps[-1]:.1f} at worst", "use an SSD"
    )
    pictures = station.pictures if station else None
    least = pictures.min_free_mb if pictures else 500
    free = Disk(state.root, least, 0).free_mb()
    yield Finding(
        "disk room", free >= least, f"{free} MB free", f"pictures are kept from {least} MB on: free disk space"
    )


# ── the station ──────────────────────────────────────────────────────────────────────────────────────────────────
def at_station(station: Station, base: Path, state: StateFolder) -> Iterator[Finding]:
    """Recipes, packages, certificates, cameras, PLC, page."""
    found: dict[str, ReadyRecipe] = {}
    yield from recipes(station, base, state, found)
    if running(state):
        yield Finding("station", True, "runs here now: cameras, PLC and page are its own, see the page")
        return
    for camera in station.cameras:
        yield tried(f"camera {camera.name}", partial(probed, camera, base))
    for name, light in station.lights.items():
        yield tried(f"light {name}", partial(lit, name, light, found))
    yield tried("plc", partial(plc, station.plc))
    yield page(station.web)


def recipes(station: Station, base: Path, state: StateFolder, found: dict[str, ReadyRecipe]) -> Iterator[Finding]:
    """Each recipe with its packages, replayed on this machine, and its certificate. `found` takes them."""
    try:
        loaded = load_recipes(base, station.cameras, state.trust, lights=station.lights)
    except InspectionError as err:
        yield Finding("recipes", False, err.what, err.remedy)
        return
    found |= loaded
    active = f"station.toml: recipe: no {station.recipe!r}"
    yield Finding("recipes", station.recipe in loaded, f"{', '.join(loaded)}: golden vectors agree", active)
    its = station.real_time  # the rights behind it are findings of their own
    for name, ready in loaded.items():
        reason = why_not(state.certificates, ready, policy(its.engine_priority, its.engine_core, []))
        allowed = station.allow_provisional and reason is not None
        said = "certified" if reason is None else reason.text + (" (allowed by allow_provisional)" if allowed else "")
        yield Finding(f"certificate {name}", reason is None or allowed, said, "jidoka bench STATION.toml --certify")
        if ready.provisional and not station.allow_provisional:
            tools = ", ".join(ready.provisional)
            yield Finding(f"limits {name}", False, f"provisional ({tools})", "teach on more good parts; AUTO stays off")


def tried(what: str, look: Callable[[], str]) -> Finding:
    """A look that may fail with an error of ours."""
    try:
        return Finding(what, True, look())
    except InspectionError as err:
        return Finding(what, False, err.what, err.remedy)


def probed(settings: CameraSettings, base: Path) -> str:
    """Open, configure as the station does, probe."""
    camera = make_camera(from_base(settings.uri, base), settings.name)
    try:
        camera.open()
        applied = camera.configure(settings.settings)
        camera.probe()
        changed = "; ".join(applied.changed.values())
        return f"{camera.info.model or camera.info.driver} answers" + (f"; {changed}" if changed else "")
    finally:
        camera.close()


def lit(name: str, settings: LightSettings, recipes: dict[str, ReadyRecipe]) -> str:
    """Open, read each channel, hold every recipe against channels and ratings; sets nothing. Raises InspectionError."""
    light = make_light(settings.uri, name)
    try:
        light.open()
        on = [n for n in range(1, light.info.channels + 1) if not light.read(n).dark]
        for recipe, ready in recipes.items():
            asked = ready.loaded.recipe.lights.get(name, {})
            for channel, strobe in strobes(asked, settings).items():
                try:
                    light.check(channel, strobe)
                except SettingsError as err:
                    raise SettingsError(f"recipe {recipe}: {err.what}", err.remedy) from err
        lit_now = f"channels {on} are not dark" if on else "all are dark"
        return f"{light.info.model} answers with {light.info.channels} channels; {lit_now}"
    finally:
        light.close()


def plc(settings: PlcSettings) -> str:
    """Read the header twice: right map, moving heartbeat, enabled. Raises InspectionError."""
    link = make_link(settings.uri)
    try:
        link.open()
        before = link.read(PLC_BASE, size(PLC_HEADER))
        version = get(before, PLC_HEADER["MAP_VERSION"])
        if version != MAP_VERSION:
            remedy = "load the PLC blocks of `jidoka plc map`"
            raise InspectionError(f"the PLC has MAP_VERSION {version}, this station {MAP_VERSION}", remedy)
        time.sleep(settings.heartbeat_lost_ms / 1e3)
        after = link.read(PLC_BASE, size(PLC_HEADER))
        if get(after, PLC_HEADER["PLC_HB"]) == get(before, PLC_HEADER["PLC_HB"]):
            raise InspectionError(f"PLC_HB stands still for {settings.heartbeat_lost_ms} ms", "put the PLC into RUN")
        control = get(after, PLC_HEADER["CTRL"])
        if not control >> CTRL["enable"] & 1:
            raise InspectionError("the PLC does not enable vision", "CTRL bit 0")
        auto = "AUTO allowed" if control >> CTRL["allow_auto"] & 1 else "AUTO not allowed"
        return f"map {version}, heartbeat moves, enabled, {auto}, {get(after, PLC_HEADER['PARTS'])} parts so far"
    finally:
        link.close()


def page(web: WebSettings) -> Finding:
    """Is the page's port free?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((web.host, web.port))
        except OSError as err:
            return Finding("page", False, f"{web.host}:{web.port}: {err.strerror}", "another web.port, or 0 for any")
    return Finding("page", True, f"{web.host}:{web.port} is free")


def running(state: StateFolder) -> bool:
    """Does a station run on this state folder?"""
    try:
        take_lock(state).close()
    except InspectionError:
        return True
    return False

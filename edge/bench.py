"""`jidoka bench`: how long a package or a recipe takes on this machine, run as by the engine; and certificates."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge import certificate, realtime
from edge.engine.last_good import load_runner
from edge.engine.place import place
from edge.engine.recipes import ReadyRecipe, load_recipes
from edge.settings import RealTimeSettings, StateFolder, read_station
from edge.supervisor import take_lock
from models.inspection import inspect
from models.picture_health import HealthLimits
from models.runner import Runner
from vocabulary import SettingsError

WARM_UP = 50
REST_SHARE = 0.1  # of each run's time: without rest the kernel stops SCHED_FIFO for 50 ms a second (sched(7), 95 %)
MARGIN_SHARE = 0.25  # of the deadline, for exposure, transfer and the link, where --margin-ms says nothing

Laps = npt.NDArray[np.float64]  # ms of each run
Tools = list[tuple[Runner, HealthLimits]]  # golden pictures have the region's size already
Progress = Callable[[str, float], None]


def bench(
    target: Path, state: StateFolder, *, runs: int, certify: bool, margin_ms: float | None, progress: Progress
) -> dict[str, Any]:
    """Measure a package, or every recipe of a station. Raises SettingsError, ModelError."""
    with take_lock(state) if state.run.is_dir() else nullcontext():  # it takes the engine's core at its priority
        if target.suffix == ".toml":
            return bench_station(target, state, runs, certify, margin_ms, progress)
        if certify:
            raise SettingsError(f"--certify {target}", "name a station.toml: a certificate is for a recipe")
        return bench_package(target, state, runs, progress)


def bench_package(target: Path, state: StateFolder, runs: int, progress: Progress) -> dict[str, Any]:
    """One package alone."""
    runner = load_runner(target, state.trust)
    policy = as_engine(RealTimeSettings())
    laps = measure([(runner, runner.package.health_limits)], [], runs, partial(progress, "runs"))
    return {
        "package": runner.package.address,
        "policy": policy,
        **conditions(runs),
        **quantiles(laps),
        "certified": False,
    }


def bench_station(
    target: Path, state: StateFolder, runs: int, certify: bool, margin_ms: float | None, progress: Progress
) -> dict[str, Any]:
    """All recipes, one after another."""
    if certify and runs < certificate.LEAST_RUNS:
        raise SettingsError(f"--runs {runs}", f"a certificate takes at least {certificate.LEAST_RUNS}")
    station = read_station(target)
    recipes = load_recipes(target.parent, station.cameras, state.trust, lights=station.lights)
    policy = as_engine(station.real_time)
    found = {}
    for name, ready in recipes.items():
        tools = [(tool.runner, tool.health) for tool in ready.tools]
        laps = measure(tools, looks(ready), runs, partial(progress, name))
        found[name] = {**conditions(runs), **quantiles(laps), "deadline_ms": ready.loaded.recipe.line.deadline_ms}
        if certify:
            its = certified(ready, laps, policy, margin_ms)
            path = certificate.write(state.certificates, its)
            found[name] |= {"certified": its.fast_enough, "margin_ms": its.margin_ms, "certificate": str(path)}
    passed = all(one.get("certified", True) for one in found.values())
    return {
        "station": station.name,
        "policy": policy,
        "recipes": found,
        "certified": certify and passed,
        "passed": passed,
    }


def certified(ready: ReadyRecipe, laps: Laps, policy: str, margin_ms: float | None) -> certificate.Certificate:
    """What was measured, bound to what it was measured on."""
    line = ready.loaded.recipe.line
    return certificate.Certificate(
        recipe=ready.loaded.recipe.name,
        sha256=ready.loaded.sha256,
        packages=certificate.packages(ready),
        cpu=certificate.cpu(),
        engine=certificate.engine(),
        precision=certificate.precision(ready),
        threads=certificate.threads(ready),
        deadline_ms=line.deadline_ms,
        margin_ms=MARGIN_SHARE * line.deadline_ms if margin_ms is None else margin_ms,
        policy=policy,
        utc=datetime.now(UTC).isoformat(timespec="seconds"),
        **conditions(len(laps)),
        **quantiles(laps),
    )


def as_engine(real_time: RealTimeSettings) -> str:
    """Take the engine's place: its priority, core, one thread. Returns the scheduling policy that was got."""
    cv2.setNumThreads(1)
    missing = realtime.raise_priority(real_time.engine_priority, real_time.engine_core, helpers_stay_normal=True)
    return realtime.policy(real_time.engine_priority, real_time.engine_core, missing)


def looks(ready: ReadyRecipe) -> list[Callable[[], object]]:
    """Picture health, part-present and locator of each camera that has them, on pictures of the taught size."""
    found: list[Callable[[], object]] = []
    for its in ready.loaded.health.values():
        picture = np.full((its.height, its.width), 100, np.uint8)
        found.append(partial(its.measure, picture))
    for camera, taught in ready.loaded.placements.items():
        look = taught.background.copy()
        rows, columns = taught.template.shape
        look[taught.top : taught.top + rows, taught.left : taught.left + columns] = taught.template
        whole = np.asarray(cv2.resize(look, (taught.width, taught.height)), np.uint8)
        found.append(partial(place, ready, camera, whole))
    return found


def measure(tools: Tools, looks: list[Callable[[], object]], runs: int, progress: Callable[[float], None]) -> Laps:
    """Milliseconds of each run of all looks and tools, on the packages' golden pictures in turn."""
    laps = np.empty(runs)
    for k in range(-WARM_UP, runs):
        began = time.perf_counter_ns()
        for look in looks:
            look()
        for runner, health in tools:
            golden = runner.package.golden
            inspect(golden[k % len(golden)].picture, runner, health)
        took_ns = time.perf_counter_ns() - began
        if k >= 0:
            laps[k] = took_ns / 1e6
        time.sleep(REST_SHARE * took_ns / 1e9)
        if k % 500 == 0:
            progress(max(0, k) / runs)
    progress(1.0)
    return laps


def quantiles(laps: Laps) -> dict[str, Any]:
    """p50, p99, p99.9, max in ms."""
    p50, p99, p999 = (float(np.percentile(laps, q)) for q in (50, 99, 99.9))
    return {"p50_ms": p50, "p99_ms": p99, "p999_ms": p999, "max_ms": float(laps.max())}


def conditions(runs: int) -> dict[str, Any]:
    """What else was going on."""
    return {"runs": runs, "load": os.getloadavg()[0]}

"""Starts the station's processes, restarts the dead and the hung, stops them cleanly."""

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import structlog

from camera_drivers.drivers import camera as make_camera
from camera_drivers.lights import light as make_light
from edge.atomic import replace
from edge.gate import journal
from edge.listening import bind
from edge.process import PROCESSES, Progress, Stop, new_epoch, start_log
from edge.recipe import read_recipes
from edge.settings import StateFolder, Station, WebSettings, read_station
from models.package import read_package
from plc_io.drivers import link
from vocabulary import SettingsError

BACKOFF_S = (0.0, 0.2, 0.5, 1, 2, 5)  # before the n-th restart in a row; a minute of life starts anew
STEADY_S = 60.0
SILENT_S = {
    "gate": 5.0,
    "engine": 15.0,
    "recorder": 15.0,
    "web": 15.0,
}  # a main loop that stands still this long is hung
STOP_S = 5.0
REPEATED = 5  # quick deaths in a row after which the last words are shown to whoever started us
PR_SET_PDEATHSIG = 1  # sys/prctl.h


class Child:
    """One process of the station through all its lives."""

    def __init__(self, name: str, command: list[str], log: Path, keep_fds: list[int]) -> None:
        self.name, self.command, self.log, self.keep_fds = name, command, log, keep_fds
        self.popen: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.started = 0.0
        self.next_start = 0.0

    def start(self) -> None:
        """Begin a life; its stderr goes to `logs/NAME.err`."""
        with self.log.open("ab") as errors:
            self.popen = subprocess.Popen(  # noqa: S603  our own interpreter and arguments
                self.command,
                stdout=errors,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                pass_fds=self.keep_fds,
                preexec_fn=die_with_parent,
            )
        self.started = time.monotonic()

    def died(self) -> int | None:
        """The exit code of a life that just ended."""
        if self.popen is None or (code := self.popen.poll()) is None:
            return None
        self.popen = None
        quick = time.monotonic() - self.started < STEADY_S
        self.deaths = self.deaths + 1 if quick else 1
        self.next_start = time.monotonic() + BACKOFF_S[min(self.deaths - 1, len(BACKOFF_S) - 1)]
        return code

    def last_words(self) -> str:
        """The last line it wrote to stderr."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "no last words"


def die_with_parent() -> None:
    """A supervisor that is killed takes its children along: a second station must not meet orphans of the first."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """The station's processes."""

    def __init__(self, state: StateFolder, web: WebSettings, name: str) -> None:
        self.state = state
        self.lock = take_lock(state)
        self.listening = bind(web)
        host, port = self.listening.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self.log: structlog.typing.FilteringBoundLogger = start_log(state, "supervisor", name, new_epoch())
        self.progress = Progress()
        self.held = journal.take(state.run)
        self.children = [self._child(process) for process in PROCESSES]

    def start(self) -> None:
        """Start all; later ones wait for the sockets of earlier ones by themselves."""
        for child in self.children:
            self.progress.mark(child.name)
            child.start()
        self.write_endpoints()

    def round(self) -> list[str]:
        """Restart who died or hangs. Returns what the caller should tell a person."""
        told = []
        for child in self.children:
            if child.popen is not None and self.progress.age_s(child.name) > SILENT_S[child.name]:
                self.log.error("hung", child=child.name)
                child.popen.kill()  # one that waits for a dead disk goes when the disk lets it
                self.progress.mark(child.name)
            if (code := child.died()) is not None:
                self.log.error("died", child=child.name, code=code, deaths=child.deaths, last_words=child.last_words())
                if child.deaths == REPEATED:
                    told.append(f"{child.name} died {REPEATED} times: {child.last_words()}")
            if child.popen is None and time.monotonic() >= child.next_start:
                self.progress.mark(child.name)
                child.start()
                self.write_endpoints()
        return told

    def stop(self) -> None:
        """Engine and gate first, so that the recorder takes their last records; then kill who does not go."""
        for child in reversed(self.children):
            if child.popen is None:
                continue
            child.popen.terminate()
            try:
                child.popen.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.log.error("did not stop", child=child.name)
                child.popen.kill()
                child.popen.wait()
            child.popen = None
        self.state.endpoints.unlink(missing_ok=True)
        self.listening.close()
        if not journal.Journal(self.held).left_over():
            journal.give_up(self.state.run)
        os.close(self.held)
        os.close(self.progress.fd)
        self.lock.close()

    def write_endpoints(self) -> None:
        """`run/endpoints.json`: who runs as what, and where the page is."""
        running = {child.name: {"pid": child.popen.pid} for child in self.children if child.popen is not None}
        content = {"supervisor": {"pid": os.getpid()}, **running}
        content["web"] = {**content.get("web", {}), "url": self.url}  # type: ignore[dict-item]
        try:
            replace(self.state.endpoints, json.dumps(content).encode(), durable=False)
        except OSError as err:  # a full disk must not end the station
            self.log.error("endpoints not written", why=str(err))

    def _child(self, process: str) -> Child:
        command = [sys.executable, "-P", "-m", "cli", "process", process, "--state", str(self.state.root)]
        fds = [self.progress.fd]
        command += ["--progress-fd", str(self.progress.fd)]
        if (fd := {"web": self.listening.fileno(), "gate": self.held}.get(process)) is not None:
            fds.append(fd)
            command += ["--fd", str(fd)]
        return Child(process, command, self.state.logs / f"{process}.err", fds)


def take_lock(state: StateFolder) -> IO[bytes]:
    """One station per state folder. Raises SettingsError."""
    file = (state.run / "lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        file.close()
        raise SettingsError(
            f"state folder {state.root}: a station runs here already", "stop it, or use another --state"
        ) from err
    return file


def check(station_file: Path, trust: Path) -> Station:
    """All that can be refused early: fields, URIs, recipes, packages. Raises SettingsError, ModelError."""
    station = read_station(station_file)
    for camera in station.cameras:
        make_camera(camera.uri, camera.name)
    for name, light in station.lights.items():
        make_light(light.uri, name)
    link(station.plc.uri)
    recipes = read_recipes(station_file.parent / "recipes", station.cameras, lights=station.lights)
    if station.recipe not in recipes:
        raise SettingsError(f"{station_file}: recipe: no {station.recipe!r}", f"one of {', '.join(recipes)}")
    for loaded in recipes.values():
        for tool in loaded.recipe.tools:
            read_package(loaded.package_path(tool), trust)
    return station


def run(station_file: Path, state: StateFolder, *, say: IO[str] = sys.stderr) -> None:
    """`jidoka run`: the station until SIGTERM. Raises SettingsError, ModelError before anything is started."""
    state.make()
    station = check(station_file, state.trust)
    state.use(station_file)
    supervisor, stop = Supervisor(state, station.web, station.name), Stop()
    supervisor.start()
    print(f"station {station.name} runs; page at {supervisor.url}", file=say, flush=True)
    while not stop:
        for line in supervisor.round():
            print(f"jidoka: {line}", file=say, flush=True)
        time.sleep(0.05)
    supervisor.stop()

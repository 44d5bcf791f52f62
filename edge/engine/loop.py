"""The engine's main loop: answers the gate's requests and pings; proves itself when nothing else is to do."""

import os
import select
from contextlib import ExitStack

import cv2
import structlog

from edge.certificate import p999_ms, proven_ms, why_not
from edge.channel import Channel, ChannelClosed, connect
from edge.engine.cameras import StationCamera
from edge.engine.inspect import Answer, inspect_part
from edge.engine.last_good import LastGood
from edge.engine.lights import Lights
from edge.engine.recipes import ReadyRecipe, load_recipes
from edge.engine.recorder_link import RecorderLink
from edge.engine.wired import WiredCamera
from edge.messages import (
    ChangeOver,
    EngineRecipes,
    EngineState,
    Hello,
    Inspect,
    Inspected,
    Ping,
    RecipeState,
    Why,
)
from edge.process import Progress, Stop, new_epoch, start_log
from edge.realtime import lift_helpers, policy, raise_priority
from edge.recipe import Recipe
from edge.settings import StateFolder
from vocabulary import Clock, InspectionError, MonotonicClock, Verdict

IDLE_PROOF_NS = 2_000_000_000  # design §2: golden vector and camera probe every 2 s of idleness, also keeps caches warm
PUMP_S = 0.02  # frames that come unasked are taken in at least so often; a driver buffers five
HELPERS_BELOW = 10  # priority steps from the engine down to its cameras' threads


class Engine:
    """Everything the engine holds. Packages are read before arming; afterwards nothing is opened but lost devices."""

    def __init__(self, state: StateFolder, clock: Clock) -> None:
        self.station, base = state.station()
        self.state, self.clock, self.epoch = state, clock, new_epoch()
        self.log: structlog.typing.FilteringBoundLogger = start_log(state, "engine", self.station.name, self.epoch)
        self.cameras = {
            one.name: StationCamera(one, base) if one.trigger_source == "software" else WiredCamera(one, base, clock)
            for one in self.station.cameras
        }
        self.recipes = load_recipes(
            base,
            self.station.cameras,
            state.trust,
            LastGood(state.packages / "good", state.trust),
            self.station.lights,
        )
        self.lights = Lights(self.station.lights, clock)
        self.unproven: dict[str, list[Why]] = {}  # by recipe, once `arm` has got its rights
        self.active = self._named(self.station.recipe)
        self.hello = Hello("engine", self.epoch, os.getpid())
        self.recorder = RecorderLink(state, self.hello)
        self.gate: Channel | None = None
        self.degraded: list[str] = []
        self.lifted = 0  # camera starts whose threads have their priority
        self.model_fault: InspectionError | None = None
        self.last_work_ns = clock.now_ns()
        self.open_cameras()

    def arm(self) -> None:
        """Take core and priority; what AUTO lacks depends on what was got."""
        its = self.station.real_time
        self.degraded = raise_priority(its.engine_priority, its.engine_core, helpers_stay_normal=True)
        scheduled = policy(its.engine_priority, its.engine_core, self.degraded)
        self.unproven = {name: unproven(ready, self.state, scheduled) for name, ready in self.recipes.items()}

    def round(self, wait_s: float) -> None:
        """Serve whoever has something; prove the models and cameras when idle."""
        self._connect()
        self._lift_camera_threads()
        peers = [peer for peer in (self.gate, self.recorder.channel) if peer is not None]
        wired = any(camera.wired for camera in self.cameras.values())
        readable, _, _ = select.select(peers, [], [], min(wait_s, PUMP_S) if wired else wait_s)
        for camera in self.cameras.values():
            camera.pump()
        if self.recorder.channel in readable:
            self.recorder.hear()
        if self.gate in readable:
            self._hear_gate()
        elif self.clock.now_ns() - self.last_work_ns > IDLE_PROOF_NS:
            self.prove()

    def open_cameras(self) -> None:
        """Give each light and camera its recipe's settings and (re)open those that are lost."""
        self.lights.use(self.active.loaded.recipe.lights)
        for name, camera in self.cameras.items():
            camera.use(self.active.loaded.recipe.cameras.get(name, {}), self.active.loaded.recipe.line)
            camera.try_open()

    def prove(self) -> None:
        """One golden vector through each model, one uncached look at each camera."""
        self.last_work_ns = self.clock.now_ns()
        try:
            for tool in self.active.tools:
                tool.runner.replay_next()
            self.model_fault = None
        except InspectionError as err:
            self.model_fault = err
        for camera in self.cameras.values():
            camera.probe()
        self.open_cameras()

    def inspect(self, request: Inspect) -> None:
        """Answer one request, then hand its pictures to the recorder."""
        if not self._change_over(request.recipe):
            answer = Answer({"received": self.clock.now_ns()})
            answer.fail("recipe_unknown", f"the PLC asked for recipe {request.recipe}: add it at recipes/<name>/")
            self._tell_gate(answer.message(request, self.active))
            return
        with ExitStack() as leases:
            answer = inspect_part(request, self.active, self.cameras, self.lights, self.clock, leases)
            message = answer.message(request, self.active)
            self._tell_gate(message)
            if request.spare or message.verdict != Verdict.OK:
                for look in sorted(answer.looks.values(), key=lambda look: look.share):  # a page shows the last one
                    self.recorder.hand_over(request.part, look, message.verdict)
        self.last_work_ns = self.clock.now_ns()

    def tell_state(self, sequence: int) -> None:
        """What the gate needs to know of us."""
        number = self.active.loaded.recipe.number
        drifts = [one.drift for one in self.active.health.values()] + [one.drift for one in self.cameras.values()]
        notes = [Why(drift.code, drift.text) for drift in drifts if drift is not None]
        self._tell_gate(EngineState(self.epoch, sequence, self._unmet(), number, self.degraded, notes))

    def close(self) -> None:
        """Let go of the devices."""
        self.lights.close()
        for camera in self.cameras.values():
            camera.close()
        self.recorder.close()
        if self.gate is not None:
            self.gate.close()

    def _lift_camera_threads(self) -> None:
        """Frames and lights must not wait behind a busy page: their threads run just below the engine."""
        starts = sum(camera.starts for camera in self.cameras.values()) + self.lights.starts
        if starts != self.lifted:
            self.lifted = starts
            lift_helpers(self.station.real_time.engine_priority - HELPERS_BELOW)

    def _unmet(self) -> list[Why]:
        reasons = [reason for camera in self.cameras.values() if (reason := camera.why_not) is not None]
        reasons += self.lights.why_not
        unmet = [Why(reason.code, reason.text) for reason in reasons]
        if self.model_fault is not None:
            unmet.append(Why("model_failed", str(self.model_fault)))
        return unmet

    def _described(self, ready: ReadyRecipe) -> RecipeState:
        """A recipe for the gate."""
        its, line = ready.loaded.recipe, ready.loaded.recipe.line
        return RecipeState(
            its.name,
            ready.loaded.sha256,
            self.unproven[its.name],
            ready.notes,
            line.takt_s,
            line.deadline_ms,
            line.exposure_window_ms,
            [reaction.rule for reaction in its.reactions],
            line.recheck_lane,
            line.most_attempts,
            line.least_spacing_counts,
            ready.cameras,
            proven_ms(self.state.certificates, its.name),
            shed_below_ms(its, self.state),
            "ok_pictures" in its.shedding.order,
        )

    def _named(self, name: str) -> ReadyRecipe:
        if name not in self.recipes:
            raise InspectionError(f"station.toml: recipe: no {name!r}", f"one of {', '.join(self.recipes)}")
        return self.recipes[name]

    def _change_over(self, number: int | None) -> bool:
        """Make the recipe with this PLC number the active one; None keeps what is active. False: there is none."""
        if number is None or number == self.active.loaded.recipe.number:
            return True
        for ready in self.recipes.values():
            if ready.loaded.recipe.number == number:
                self.active = ready
                self.open_cameras()
                self.tell_state(0)
                return True
        return False

    def _connect(self) -> None:
        if self.gate is None:
            self.gate = connect(self.state.socket("gate"))
            self._tell_gate(self.hello)
            known = {one.loaded.recipe.number: self._described(one) for one in self.recipes.values()}
            self._tell_gate(EngineRecipes(self.epoch, known))
            self.tell_state(0)
        self.recorder.try_connect()

    def _hear_gate(self) -> None:
        try:
            while self.gate is not None and (message := self.gate.receive()) is not None:
                if isinstance(message, Inspect):
                    self.inspect(message)
                elif isinstance(message, ChangeOver):
                    self._change_over(message.recipe)
                elif isinstance(message, Ping):
                    self.open_cameras()
                    self.tell_state(message.sequence)
        except ChannelClosed:
            self._lose_gate()

    def _tell_gate(self, message: Hello | EngineRecipes | EngineState | Inspected) -> None:
        if self.gate is None:
            return
        try:
            self.gate.send(message)
        except ChannelClosed:
            self._lose_gate()

    def _lose_gate(self) -> None:
        if self.gate is not None:
            self.gate.close()
            self.gate = None


def unproven(ready: ReadyRecipe, state: StateFolder, scheduled: str) -> list[Why]:
    """What keeps a recipe from AUTO, read once when it is loaded."""
    found = []
    if ready.provisional:
        found.append(Why("provisional", f"limits are provisional ({', '.join(ready.provisional)})"))
    if (reason := why_not(state.certificates, ready, scheduled)) is not None:
        found.append(Why(reason.code, reason.text))
    return found


def shed_below_ms(recipe: Recipe, state: StateFolder) -> float:
    """With less time left than this a waiting part is shed: as the recipe says, else the certificate's p99.9."""
    if "parts" not in recipe.shedding.order:
        return 0.0
    return recipe.shedding.least_left_ms or p999_ms(state.certificates, recipe.name)


def run(state: StateFolder, progress: Progress) -> None:
    """The process `engine`."""
    stop, engine = Stop(), Engine(state, MonotonicClock())
    cv2.setNumThreads(1)  # its pool would run at normal priority while the engine waits for it
    engine.arm()
    engine.log.info("armed", recipe=engine.active.loaded.recipe.name, missing_rights=engine.degraded)
    while not stop:
        progress.mark("engine")
        engine.round(0.1)
    engine.close()

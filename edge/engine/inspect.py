"""One part, from the gate's request to the answer. Reads like the timing diagram.

request  _|‾|________________________________________
expose       ▓ all cameras of the recipe
frames        ▓▓▓▓
healthy           ▓ taken as it was taught
placed            ▓ one part, and where
infer             ▓▓▓▓▓▓▓▓▓▓ tool after tool
answer                      ▓     ^ deadline: the gate answers NOT_INSPECTED, whatever happens here
"""

from contextlib import ExitStack
from dataclasses import dataclass, field

from msgspec.structs import replace

from camera_drivers.camera import Frame
from edge.engine.cameras import StationCamera
from edge.engine.decide import decide, in_picture
from edge.engine.lights import LightOut, Lights
from edge.engine.place import place
from edge.engine.recipes import ReadyRecipe, ReadyTool
from edge.engine.regions import Offset, RegionOutside, seen, shifted, whole
from edge.engine.wired import JoinFailed
from edge.messages import Inspect, Inspected, Picture, ToolResult, Why
from edge.recipe import Recipe
from models.inspection import inspect
from vocabulary import (
    SEVERITY,
    Clock,
    DeviceError,
    DeviceLost,
    DeviceTimeout,
    Image,
    InspectionError,
    ModelError,
    Reason,
    ScoreMap,
    Verdict,
    picture_hash,
    worst,
)

TINY = 1e-9  # a limit of 0 divides nothing
ANSWER_NS = 5_000_000  # before the deadline a missing frame is given up, so that its reason still reaches the gate


@dataclass(slots=True)
class Look:
    """One picture with what was found on it, for the recorder."""

    picture: Picture
    image: Image  # valid until the lease ends
    map: ScoreMap | None = None  # of the tool that is farthest above its limit, or nearest below
    score: float | None = None  # that tool's
    share: float = -1.0  # the same in parts of its limit


@dataclass(slots=True)
class Answer:
    """What one request leads to."""

    laps: dict[str, int]
    verdicts: list[Verdict] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    looks: dict[str, Look] = field(default_factory=dict)  # by camera
    tools: list[ToolResult] = field(default_factory=list)
    classes: list[tuple[Verdict, int]] = field(default_factory=list)  # of the defects found, with their numbers

    def fail(self, code: str, text: str) -> None:
        """Something kept the part from being inspected."""
        self.verdicts.append(Verdict.NOT_INSPECTED)
        self.reasons.append(Reason(code, text))

    def message(self, request: Inspect, recipe: ReadyRecipe) -> Inspected:
        """For the gate."""
        its = recipe.loaded.recipe
        return Inspected(
            request.epoch,
            request.part,
            request.look,
            worst(self.verdicts),
            max(self.looks.values(), key=lambda look: look.share).score if self.looks else None,
            max(self.classes, key=lambda one: (SEVERITY.index(one[0]), -one[1]), default=(None, 0))[1],
            [Why(reason.code, reason.text) for reason in self.reasons],
            its.name,
            its.number,
            recipe.loaded.sha256,
            [look.picture for look in self.looks.values()],
            self.tools,
            self.laps,
        )


def inspect_part(
    request: Inspect,
    recipe: ReadyRecipe,
    cameras: dict[str, StationCamera],
    lights: Lights,
    clock: Clock,
    leases: ExitStack,
) -> Answer:
    """Expose, judge, answer. Every failure is a NOT_INSPECTED with its reason; `leases` ends the pictures' life."""
    answer = Answer({"received": clock.now_ns()})
    if request.deadline_ns <= clock.now_ns():
        answer.fail("engine_late", "the request was past its deadline when the engine came to it")
        return answer
    try:
        frames = expose(request, [cameras[name] for name in request.cameras], lights, clock, leases, answer)
        fit = {name: frame for name, frame in frames.items() if healthy(recipe, frame, answer)}
        if recipe.health:
            answer.laps["healthy"] = clock.now_ns()
        offsets = {name: placed(recipe, frame, answer) for name, frame in fit.items()}
        if recipe.loaded.placements:
            answer.laps["placed"] = clock.now_ns()
        for tool in [tool for tool in recipe.tools if tool.tool.camera in request.cameras]:
            camera = tool.tool.camera
            if (offset := offsets.get(camera)) is not None:
                judge(recipe.loaded.recipe, tool, offset, answer.looks[camera], frames[camera], answer)
    except JoinFailed as err:
        answer.fail(err.reason.code, str(err))
    except LightOut as err:
        answer.fail(err.reason.code, err.reason.text)
    except InspectionError as err:
        answer.fail(code_of(err), str(err))
    answer.laps["decided"] = clock.now_ns()
    return answer


def expose(
    request: Inspect,
    cameras: list[StationCamera],
    lights: Lights,
    clock: Clock,
    leases: ExitStack,
    answer: Answer,
) -> dict[str, Frame]:
    """One frame of every camera, each exposed inside the window in which this part, and no other, is in view."""
    if not all(camera.wired for camera in cameras):
        lights.settle(request.expose_by_ns)
    if (late := clock.now_ns() - request.expose_by_ns) > 0 and not all(camera.wired for camera in cameras):
        raise ExposedLate(
            "exposure", f"{late / 1e6:.1f} ms after this part's window", "raise takt or speed up the station"
        )
    for camera in cameras:
        camera.expose(request.part)
    answer.laps["exposed"] = clock.now_ns()
    frames = {}
    for camera in cameras:
        left_s = max(0.0, (request.deadline_ns - ANSWER_NS - clock.now_ns()) / 1e9)
        lease = camera.frame(request, min(left_s, camera.settings.frame_timeout_ms / 1e3))
        frame = leases.enter_context(lease)
        if not camera.wired and latest_exposure_ns(frame) > request.expose_by_ns:
            raise ExposedLate(camera.name, "exposed after this part's window", "raise takt or speed up the station")
        lights.lit(request.earliest_ns if camera.wired and frame.clock == "host" else frame.exposed_ns)
        frames[camera.name] = frame
        answer.looks[camera.name] = Look(described(frame), frame.image)
    answer.laps["arrived"] = clock.now_ns()
    return frames


def latest_exposure_ns(frame: Frame) -> int:
    """A camera without a clock may have exposed at any time between the command and the frame's arrival."""
    return frame.arrived_ns if frame.clock == "host" else frame.exposed_ns


def healthy(recipe: ReadyRecipe, frame: Frame, answer: Answer) -> bool:
    """Is this picture taken as it was taught? The answer says why not; its figures go into the ledger."""
    if (its := recipe.health.get(frame.camera)) is None:
        return True
    values, why_not = its.look(frame.image)
    answer.looks[frame.camera].picture = replace(answer.looks[frame.camera].picture, health=values)
    for why in why_not:
        answer.fail(why.code, why.text)
    return not why_not


def placed(recipe: ReadyRecipe, frame: Frame, answer: Answer) -> Offset | None:
    """Where the part lies on this picture; None: there is nothing to judge on it, and the answer says why."""
    found = place(recipe, frame.camera, frame.image)
    if isinstance(found, tuple):
        return found
    for why in found:
        answer.fail(why.code, f"camera {frame.camera}: {why.text}")
    return None


def judge(recipe: Recipe, tool: ReadyTool, offset: Offset, look: Look, frame: Frame, answer: Answer) -> None:
    """One tool's look at one picture, or at its region of it, where the part is."""
    its = shifted(tool.tool, offset)
    found = inspect(seen(its, frame.image), tool.runner, tool.health)
    limits, decision = tool.runner.package.limits, decide(recipe, its, found)
    if found.map is not None and found.score is not None and (share := found.score / max(limits.ng, TINY)) > look.share:
        look.map, look.score, look.share = whole(its, found.map, frame.image.shape), found.score, share
    if found.preprocessed_ns is not None:
        answer.laps.setdefault("preprocessed", found.preprocessed_ns)  # of the first tool
    if found.inferred_ns is not None:
        answer.laps["inferred"] = found.inferred_ns  # of the last
    answer.verdicts.append(decision.verdict)
    answer.reasons += decision.reasons
    if decision.defect is not None:
        answer.classes.append((decision.verdict, decision.defect.number))
    looked_for, health = recipe.defect_class(its.defect_class), found.health
    answer.tools.append(
        ToolResult(
            tool.name,
            frame.camera,
            tool.runner.package.address,
            decision.verdict,
            its.region,
            looked_for.name,
            looked_for.severity,
            found.score,
            limits.ng,
            limits.recheck,
            [(*in_picture(its, finding), finding.score) for finding in found.findings],
            {} if health is None else health.as_dict(),
        )
    )


def described(frame: Frame) -> Picture:
    """A frame's identity for the ledger, bound to its pixels before anything is judged."""
    height, width = frame.image.shape[:2]
    channels = 1 if frame.image.ndim == 2 else frame.image.shape[2]
    return Picture(
        frame.camera,
        picture_hash(frame.image),
        width,
        height,
        channels,
        frame.exposed_ns,
        frame.arrived_ns,
        frame.clock,
        frame.device_frame_id,
        frame.exposure_us,
        frame.gain_db,
        frame.lost_before,
    )


class ExposedLate(DeviceTimeout):
    """The picture may show the next part: it is worth nothing."""


CODES = {
    RegionOutside: "picture_wrong_size",
    DeviceLost: "camera_lost",
    ExposedLate: "exposed_late",
    DeviceTimeout: "camera_no_frame",
    DeviceError: "camera_failed",
    ModelError: "model_failed",
}


def code_of(err: InspectionError) -> str:
    """A stable reason code from the error tree; the nearest class wins."""
    return next((code for kind, code in CODES.items() if isinstance(err, kind)), "inspection_failed")

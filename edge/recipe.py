"""A recipe: all settings for inspecting one part type. Never changes once read; change-over swaps the object."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.messages import ReactionRule
from edge.recipe_health import HealthSettings, read_health
from edge.recipe_lights import NO_LIGHTS, RecipeLights, check_lights
from edge.reference import read_reference
from edge.settings import NAME, CameraSettings, LightSettings
from edge.toml_files import Strict, read
from models.frame_health import FrameHealth
from models.placement import Placement, unpack
from vocabulary import SettingsError


class Line(Strict):
    """The line cycle, from the machine's data sheet and its belt."""

    takt_s: float = Field(gt=0, le=3600)
    deadline_ms: float = Field(
        gt=0, le=60_000, description="trigger → verdict consumed; the PLC's own, if shorter, wins"
    )
    exposure_window_ms: float = Field(
        gt=0, le=60_000, description="half the least part spacing: an exposure later than this may show the next part"
    )
    most_attempts: int = Field(
        default=1, ge=1, le=10, description="how often a RECHECK or NOT_INSPECTED part may be presented, by its PLC id"
    )
    recheck_lane: bool = Field(default=False, description="the machine leads RECHECK to a lane; else it is rejected")
    least_spacing_counts: int | None = Field(
        default=None,
        gt=1,
        lt=2**30,
        description="least part spacing in encoder counts: the encoder join, and late triggers",
    )

    @model_validator(mode="after")
    def window(self) -> "Line":
        """A window of more than half a takt would let the next part in."""
        if self.exposure_window_ms > self.takt_s * 500 + 1e-6:
            raise ValueError(
                f"exposure_window_ms {self.exposure_window_ms:g} is more than half of takt_s {self.takt_s:g}"
            )
        return self


Side = Annotated[int, Field(ge=1, le=65_535)]
Offset = Annotated[int, Field(ge=0, le=65_535)]
Severity = Literal["critical", "major", "minor", "cosmetic"]


class Tool(Strict):
    """One look at one camera's picture, or at a region of it, with one package."""

    name: str = Field(default="surface", pattern=NAME)
    kind: Literal["anomaly"] = "anomaly"
    camera: str = Field(pattern=NAME)
    package: Path = Field(description="relative to the recipe's folder")
    region: tuple[Offset, Offset, Side, Side] | None = Field(
        default=None, description="x, y, width, height in pixels of the raw picture; without it all of it"
    )
    defect_class: str = Field(default="defect", pattern=NAME, description="what this tool finds: one of the classes")


class DefectClass(Strict):
    """A kind of defect: its number for the PLC and how bad it is."""

    name: str = Field(pattern=NAME)
    number: int = Field(ge=1, le=65_535)
    severity: Severity


class Verdicts(Strict):
    """What a defect of each severity makes of its part. Cosmetic ones are recorded and pass."""

    critical: Literal["NG"] = "NG"  # nobody can let it pass
    major: Literal["NG", "RECHECK"] = "NG"
    minor: Literal["NG", "RECHECK", "OK"] = "RECHECK"
    cosmetic: Literal["NG", "RECHECK", "OK"] = "OK"


class Shedding(Strict):
    """What is given up, first to last, when parts come faster than they can be judged. Nothing else ever is."""

    order: list[Literal["ok_pictures", "parts"]] = Field(
        default=["ok_pictures", "parts"],
        description="ok_pictures: those of OK parts are not kept while the engine is behind; parts: not judged at all",
    )
    least_left_ms: float | None = Field(
        default=None,
        gt=0,
        le=60_000,
        description="a waiting part with less time left is shed; without it the certificate's p99.9, without both none",
    )

    @model_validator(mode="after")
    def parts_last(self) -> "Shedding":
        """A part is worth more than a picture that nobody asked for."""
        if self.order not in ([], ["ok_pictures"], ["parts"], ["ok_pictures", "parts"]):
            raise ValueError(f"order {self.order}: each at most once, parts last")
        return self


DEFECT = DefectClass(name="defect", number=1, severity="major")  # where a recipe names no classes


class HealthOverride(Strict):
    """Picture-health limits of this recipe; a value left out comes from the package's taught pictures."""

    mean_min: float | None = None
    mean_max: float | None = None
    contrast_min: float | None = None
    saturated_share_max: float | None = None
    sharpness_min: float | None = None


class PlacementSettings(Strict):
    """Is one part there, and where? For one camera, by what was taught with `jidoka recipe placement`."""

    reference: Path = Field(description="relative to the recipe's folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the reference: a changed one is another recipe")
    locate_px: int | None = Field(
        default=None, ge=1, le=10_000, description="how far a part may lie off; regions follow it. Without: they stay"
    )


class Reaction(Strict):
    """When to warn, hold or stop: `count` of the last `within` parts; without `within`, `count` in a row."""

    on: Literal["NG", "RECHECK", "NOT_INSPECTED", "unconfirmed", "reject_after_ok", "counter_mismatch"]
    count: int = Field(default=1, ge=1, le=10_000)
    within: int | None = Field(default=None, ge=1, le=10_000)
    do: Literal["alarm", "hold", "stop"]
    plan: str = Field(default="", max_length=500, description="what to do then, in the plant's own words")

    @model_validator(mode="after")
    def possible(self) -> "Reaction":
        """A rule that can never be met is a mistake."""
        if self.within is not None and self.within < self.count:
            raise ValueError(f"count {self.count} of the last {self.within} parts can never be")
        return self

    @property
    def rule(self) -> ReactionRule:
        """For the gate."""
        return ReactionRule(self.on, self.count, self.within or self.count, self.do, self.plan)


NOT_INSPECTED_IN_A_ROW = (Reaction(on="NOT_INSPECTED", count=10, do="alarm"),)  # where a recipe says nothing


class Recipe(Strict):
    """`recipes/<name>/recipe.toml`."""

    name: str = Field(pattern=NAME)
    number: int = Field(ge=1, le=65535, description="what the PLC calls it")
    product: str
    line: Line
    cameras: dict[str, dict[str, float | str]] = Field(
        default_factory=dict
    )  # camera name → settings on top of the station's
    lights: RecipeLights = Field(default_factory=dict)  # light → channel → pulse
    tools: list[Tool] = Field(min_length=1)
    classes: list[DefectClass] = Field(default_factory=lambda: [DEFECT])
    severity: Verdicts = Verdicts()
    picture_health: HealthOverride = HealthOverride()
    placement: dict[str, PlacementSettings] = Field(default_factory=dict)  # by camera
    health: dict[str, HealthSettings] = Field(default_factory=dict)  # by camera
    shedding: Shedding = Shedding()
    reactions: list[Reaction] = Field(default_factory=lambda: list(NOT_INSPECTED_IN_A_ROW))

    @property
    def classes_named(self) -> bool:
        """The recipe tells kinds of defects apart."""
        return "classes" in self.model_fields_set

    def defect_class(self, name: str) -> DefectClass:
        """The class of this name; read_recipe has checked that it is there."""
        return next(one for one in self.classes if one.name == name)


BY_CAMERA: dict[str, Callable[[Recipe], Iterable[str]]] = {  # tables whose keys are names of cameras
    "cameras": lambda recipe: recipe.cameras,
    "placement": lambda recipe: recipe.placement,
    "health": lambda recipe: recipe.health,
}


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe with where it came from and what its files were."""

    recipe: Recipe
    folder: Path
    sha256: str  # of the file
    placements: dict[str, Placement]  # by camera
    health: dict[str, FrameHealth]  # by camera

    def package_path(self, tool: Tool) -> Path:
        """Where this tool's package lies."""
        return (self.folder / tool.package).resolve()


def read_recipe(
    folder: Path, cameras: list[CameraSettings], lights: Mapping[str, LightSettings] = NO_LIGHTS
) -> LoadedRecipe:
    """The recipe in `folder`. Raises SettingsError naming file, field, value and remedy."""
    path, camera_names = folder / "recipe.toml", [camera.name for camera in cameras]
    recipe = read(path, Recipe)
    if recipe.name != folder.name:
        raise SettingsError(f"{path}: name: {recipe.name!r} lies in folder {folder.name!r}", "use one name for both")
    for where, name in [(f"tools.{n}.camera", tool.camera) for n, tool in enumerate(recipe.tools)] + [
        (f"{field}.{name}", name) for field, its in BY_CAMERA.items() for name in its(recipe)
    ]:
        if name not in camera_names:
            raise SettingsError(
                f"{path}: {where}: no camera {name!r} at this station", f"one of {', '.join(camera_names)}"
            )
    by_encoder = [camera.name for camera in cameras if camera.trigger_source == "encoder" or camera.position_counts]
    if by_encoder and recipe.line.least_spacing_counts is None:
        raise SettingsError(
            f"{path}: line.least_spacing_counts: missing", f"camera {by_encoder[0]!r} is triggered by the encoder"
        )
    check_lights(path, recipe.lights, lights)
    refuse_doubles(path, recipe)
    known = [one.name for one in recipe.classes]
    for n, tool in enumerate(recipe.tools):
        if tool.defect_class not in known:
            raise SettingsError(
                f"{path}: tools.{n}.defect_class: no class {tool.defect_class!r}", f"one of {', '.join(known)}"
            )
    placements = {camera: read_placement(path, recipe, camera) for camera in recipe.placement}
    health = {camera: read_health(path, camera, its) for camera, its in recipe.health.items()}
    return LoadedRecipe(recipe, folder, hashlib.sha256(path.read_bytes()).hexdigest(), placements, health)


def read_placement(path: Path, recipe: Recipe, camera: str) -> Placement:
    """What was taught of a part's place before this camera. Raises SettingsError naming the field."""
    its, field = recipe.placement[camera], f"{path}: placement.{camera}"
    if its.locate_px is not None:
        whole = [tool.name for tool in recipe.tools if tool.camera == camera and tool.region is None]
        if whole:
            raise SettingsError(
                f"{field}.locate_px: tool {whole[0]!r} has no region", "give it one that follows the part"
            )
    return read_reference(field, path.parent / its.reference, its.sha256, unpack, "jidoka recipe placement")


def refuse_doubles(path: Path, recipe: Recipe) -> None:
    """Names and numbers that must differ. Raises SettingsError."""
    fields: tuple[tuple[str, list[str] | list[int]], ...] = (
        ("tools: name", [tool.name for tool in recipe.tools]),
        ("classes: name", [one.name for one in recipe.classes]),
        ("classes: number", [one.number for one in recipe.classes]),
    )
    for field, values in fields:
        if len(set(values)) < len(values):
            twice = next(value for n, value in enumerate(values) if value in values[:n])
            raise SettingsError(f"{path}: {field} {twice!r} is there twice", "give each its own")


def read_recipes(
    folder: Path,
    cameras: list[CameraSettings],
    broken: dict[str, SettingsError] | None = None,
    lights: Mapping[str, LightSettings] = NO_LIGHTS,
) -> dict[str, LoadedRecipe]:
    """Every recipe under `folder`, by name. Raises SettingsError, also when two share a number.

    `broken`: takes what is wrong with one, by its folder's name, so that the others can be used all the same.
    """
    found = []
    for path in sorted(folder.glob("*/recipe.toml")):
        try:
            found.append(read_recipe(path.parent, cameras, lights))
        except SettingsError as err:
            if broken is None:
                raise
            broken[path.parent.name] = err
    if not found:
        raise SettingsError(f"{folder}: no recipe here", "put one at recipes/<name>/recipe.toml")
    numbers: dict[int, str] = {}
    for loaded in found:
        if other := numbers.get(loaded.recipe.number):
            raise SettingsError(
                f"{folder}: recipes {other!r} and {loaded.recipe.name!r} share number {loaded.recipe.number}",
                "the PLC needs one number each",
            )
        numbers[loaded.recipe.number] = loaded.recipe.name
    return {loaded.recipe.name: loaded for loaded in found}

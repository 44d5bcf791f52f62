"""The recipes this station can inspect, with their packages loaded; change-over swaps an object and reads nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.engine.health import CameraHealth
from edge.engine.last_good import LastGood, load_runner
from edge.messages import Why
from edge.recipe import LoadedRecipe, Tool, read_recipes
from edge.recipe_lights import NO_LIGHTS
from edge.settings import CameraSettings, LightSettings
from models.picture_health import HealthLimits
from models.runner import Runner
from vocabulary import SettingsError


@dataclass(frozen=True, slots=True)
class ReadyTool:
    """A tool with its model in memory."""

    tool: Tool
    runner: Runner
    health: HealthLimits

    @property
    def name(self) -> str:
        """As the recipe calls it."""
        return self.tool.name


@dataclass(frozen=True, slots=True)
class ReadyRecipe:
    """A recipe that can inspect now."""

    loaded: LoadedRecipe
    tools: list[ReadyTool]
    notes: list[Why]  # what is not as the recipe says
    health: dict[str, CameraHealth]  # by camera

    @property
    def provisional(self) -> list[str]:
        """Tools whose limits lack the evidence that AUTO asks for."""
        return [tool.name for tool in self.tools if tool.runner.package.limits.provisional]

    @property
    def cameras(self) -> list[str]:
        """Each camera that must expose for a part, once."""
        return list(dict.fromkeys(tool.tool.camera for tool in self.tools))


def load_recipes(
    base: Path,
    cameras: list[CameraSettings],
    trust: Path,
    kept: LastGood | None = None,
    lights: Mapping[str, LightSettings] = NO_LIGHTS,
) -> dict[str, ReadyRecipe]:
    """Read every recipe and package beside the station file, replay golden vectors. Raises Settings-, ModelError.

    `kept`: where to turn when a package can't be loaded. Without it that is an error, as is a recipe that is broken;
    with it (the station has begun to run) such a recipe is left out, and each other one says so.
    """
    runners: dict[Path, tuple[Runner, Why | None]] = {}
    ready = {}
    broken: dict[str, SettingsError] = {}
    for name, loaded in read_recipes(base / "recipes", cameras, broken if kept else None, lights).items():
        tools, notes = [], [Why("recipe_broken", str(err)) for err in broken.values()]
        for tool in loaded.recipe.tools:
            path = loaded.package_path(tool)
            if path not in runners:
                runners[path] = kept.load(f"{name}/{tool.name}", path) if kept else (load_runner(path, trust), None)
            runner, note = runners[path]
            override = loaded.recipe.picture_health.model_dump(exclude_none=True)
            tools.append(ReadyTool(tool, runner, runner.package.health_limits.with_(**override)))
            notes += [note] if note else []
        health = {
            camera: CameraHealth(camera, its, loaded.recipe.health[camera].drift_share)
            for camera, its in loaded.health.items()
        }
        ready[name] = ReadyRecipe(loaded, tools, notes, health)
    return ready

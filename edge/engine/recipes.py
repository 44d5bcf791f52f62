"""The recipes this station can inspect, with their packages loaded; change-over swaps an object and reads nothing."""

from dataclasses import dataclass
from pathlib import Path

from edge.recipe import LoadedRecipe, Tool, read_recipes
from edge.settings import CameraSettings
from models.package import read_package
from models.picture_health import HealthLimits
from models.runner import Runner


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

    @property
    def provisional(self) -> list[str]:
        """Tools whose limits lack the evidence that AUTO asks for."""
        return [tool.name for tool in self.tools if tool.runner.package.limits.provisional]

    @property
    def cameras(self) -> list[str]:
        """Each camera that must expose for a part, once."""
        return list(dict.fromkeys(tool.tool.camera for tool in self.tools))


def load_recipes(base: Path, cameras: list[CameraSettings], trust: Path) -> dict[str, ReadyRecipe]:
    """Read every recipe and package beside the station file, replay golden vectors. Raises Settings-, ModelError."""
    runners: dict[Path, Runner] = {}
    ready = {}
    for name, loaded in read_recipes(base / "recipes", cameras).items():
        tools = []
        for tool in loaded.recipe.tools:
            path = loaded.package_path(tool)
            if path not in runners:
                runners[path] = load_runner(path, trust)
            reference = runners[path].package.health_limits
            override = loaded.recipe.picture_health.model_dump(exclude_none=True)
            tools.append(ReadyTool(tool, runners[path], reference.with_(**override)))
        ready[name] = ReadyRecipe(loaded, tools)
    return ready


def load_runner(path: Path, trust: Path) -> Runner:
    """A package that is whole, signed by a trusted key, and scores here as it did where it was taught."""
    runner = Runner(read_package(path, trust))
    runner.warm_up()
    runner.replay_golden()
    return runner

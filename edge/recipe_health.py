"""`[health.CAMERA]` of a recipe: what this camera's pictures of it look like, taught with `jidoka recipe health`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge.reference import read_reference
from edge.toml_files import Strict
from models.frame_health import WORDS, FrameHealth, unpack
from vocabulary import SettingsError

Bound = Annotated[float, Field(allow_inf_nan=False)]


class HealthSettings(Strict):
    """Limits of one camera's pictures; those that are left out are as taught."""

    reference: Path = Field(description="relative to the recipe's folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the reference: a changed one is another recipe")
    limits: dict[str, tuple[Bound, Bound]] = Field(
        default_factory=dict, description="figure → lowest and highest, instead of what was taught"
    )
    drift_share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="of the way to a limit: a mean of the last parts beyond is an alarm",
    )


def read_health(path: Path, camera: str, its: HealthSettings) -> FrameHealth:
    """What was taught, with the recipe's own limits. Raises SettingsError naming the field."""
    field = f"{path}: health.{camera}"
    found = read_reference(field, path.parent / its.reference, its.sha256, unpack, "jidoka recipe health")
    limits = dict(found.limits)
    for name, (low, high) in its.limits.items():
        if name not in limits:
            known = ", ".join(one for one in WORDS if one in limits)
            raise SettingsError(f"{field}.limits.{name}: no such figure", f"one of {known}")
        if not low <= limits[name].taught <= high:
            raise SettingsError(
                f"{field}.limits.{name}: {low:g} … {high:g} leaves out {limits[name].taught:g}, as taught",
                "teach again",
            )
        below, above = WORDS[name]
        limits[name] = replace(limits[name], low=low if below else None, high=high if above else None)
    return replace(found, limits=limits)

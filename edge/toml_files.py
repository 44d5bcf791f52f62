"""Reads a TOML file into a pydantic model; every mistake is one line that names file, field, value and remedy."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vocabulary import SettingsError


class Strict(BaseModel):
    """Frozen, and an unknown field is an error: a misspelt setting must never be silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


M = TypeVar("M", bound=BaseModel)


def read(path: Path, model: type[M]) -> M:
    """The file at `path` as a `model`. Raises SettingsError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise SettingsError(f"{path}: {err.strerror}", "name an existing, readable file") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise SettingsError(f"{path}: no valid TOML: {err}", "mend the line named") from err
    try:
        return model.model_validate(data)
    except ValidationError as err:
        raise SettingsError(f"{path}: {explain(err)}", "correct the field") from err


def explain(err: ValidationError) -> str:
    """The first mistake in words; says how many more there are."""
    first, more = err.errors()[0], err.error_count() - 1
    field = ".".join(str(place) for place in first["loc"]) or "(whole file)"
    held = "" if first["type"] == "missing" else f" (now {first['input']!r:.80})"
    return f"{field}: {first['msg']}{held}" + (f"; and {more} more" if more else "")

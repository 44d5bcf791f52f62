"""A file beside the recipe that the recipe names with its SHA-256: what was taught of a camera's pictures."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vocabulary import DataError, SettingsError

T = TypeVar("T")


def read_reference(field: str, path: Path, sha256: str, unpack: Callable[[str, bytes], T], made_with: str) -> T:
    """What lies in it. Raises SettingsError naming the field."""
    try:
        data = path.read_bytes()
    except OSError as err:
        raise SettingsError(f"{field}.reference: {path}: {err.strerror}", f"make it: {made_with}") from err
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise SettingsError(f"{field}.sha256: {path.name} has {found[:16]}…", "copy the right file, or its hash")
    try:
        return unpack(str(path), data)
    except DataError as err:
        raise SettingsError(f"{field}.reference: {err.what}", err.remedy) from err

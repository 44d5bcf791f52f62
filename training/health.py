"""`jidoka recipe health`: what a camera's pictures of good parts look like, from good pictures."""

import hashlib
from pathlib import Path
from typing import Any

from datasets.manifest import read
from datasets.pictures import Region, load
from models.frame_health import pack, teach
from vocabulary import DataError, SettingsError

LEAST = 10  # good pictures; below this their spread is not known


def teach_health(data: Path, out: Path, patch: Region | None) -> dict[str, Any]:
    """Write the reference; what the recipe needs of it is `recipe`. Raises DataError, SettingsError."""
    samples = read(data).of("train", "ok")
    if len(samples) < LEAST:
        raise DataError(f"{data}: {len(samples)} good pictures to learn from", f"at least {LEAST}")
    its = teach([(str(sample.path), load(sample.path)) for sample in samples], patch)
    content = pack(its)
    try:
        out.write_bytes(content)
    except OSError as err:
        raise SettingsError(f"{out}: {err.strerror}", "name a file that can be written") from err
    sha256 = hashlib.sha256(content).hexdigest()
    limits = {
        name: [None if one is None else round(one, 4) for one in (its.low, its.taught, its.high)]
        for name, its in its.limits.items()
    }
    return {
        "reference": str(out), "sha256": sha256, "n_ok": len(samples), "low_taught_high": limits,
        "recipe": f'[health.CAMERA]\nreference = "{out.name}"\nsha256 = "{sha256}"',
    }  # fmt: skip

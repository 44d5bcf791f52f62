"""`jidoka inspect`: one verdict per picture, by the station's own path."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets.pictures import Region, load
from models.inspection import inspect
from models.package import read_package
from models.runner import Runner
from training.placement import Followed, looked_at
from vocabulary import DataError, Verdict


def inspect_files(
    package: Path,
    images: list[Path],
    trust: Path | None,
    region: Region | None = None,
    followed: Followed | None = None,
) -> Iterator[dict[str, Any]]:
    """Verdict, score and reason of each file; a broken file is NOT_INSPECTED. Raises ModelError."""
    runner = Runner(read_package(package, trust))
    runner.replay_golden()
    for path in images:
        try:
            found = inspect(looked_at(load(path), region, followed, path), runner)
        except DataError as err:
            yield {
                "path": str(path),
                "verdict": Verdict.NOT_INSPECTED.value,
                "score": None,
                "reason": str(err),
                "findings": [],
            }
            continue
        yield {
            "path": str(path),
            "verdict": found.verdict.value,
            "score": found.score,
            "reason": found.reasons[0].text,
            "findings": [{"box": finding.box, "score": finding.score} for finding in found.findings],
        }

"""One small package for all tests of packages, made here from rendered textures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.decision import Limits
from models.graph import CHANNELS, SIDE, nearest_distance, scoring_graph
from models.keys import station_key
from models.package import Golden, Package, limits_as_dict, write_package
from models.picture_health import measure, reference
from models.runner import Runner
from vocabulary import Image


def texture(seed: int, shape: tuple[int, ...] = (90, 120)) -> Image:
    noise = np.random.default_rng(seed).normal(120, 12, shape)
    return np.clip(noise, 0, 255).astype(np.uint8)


def manifest(channels: int = 1) -> dict[str, Any]:
    health = reference([measure(texture(k)) for k in range(3)])
    return {
        "name": "test", "method": "nearest", "working_size": SIDE, "classes": ["anomaly"],
        "input": {"channels": channels, "height": 90, "width": 120, "dtype": "uint8"},
        "limits": limits_as_dict(Limits(30.0, None, True, {})),
        "picture_health": {name: getattr(health, name) for name in health.__dataclass_fields__},
    }  # fmt: skip


@pytest.fixture(scope="session")
def bank() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(5).normal(0, 1, (20, CHANNELS)).astype(np.float32)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, bank: np.ndarray[Any, np.dtype[np.float32]]) -> Path:
    """A package file; its trust folder lies beside it."""
    folder = tmp_path_factory.mktemp("package")
    model = scoring_graph(1, nearest_distance(bank)).SerializeToString()
    runner = Runner(Package("", "", manifest(), model, [], ""))
    golden = [Golden(texture(k), found.map, found.score) for k in range(3) for found in [runner.infer(texture(k))]]
    write_package(folder / "p.jdk", manifest(), model, golden, "# report", station_key(folder))
    return folder / "p.jdk"

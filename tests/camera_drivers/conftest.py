"""A stage: what the camera looks at, changed from outside as a simulated machine does."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vocabulary import Image, picture_hash

os.environ.setdefault("PYLON_CAMEMU", "1")  # read by the SDK when it first looks for cameras


class Stage:
    """Two files that always show one picture; each is replaced in one step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.show(np.zeros((48, 64), np.uint8))

    def show(self, image: Image) -> str:
        done, data = cv2.imencode(".png", image if image.ndim == 2 else image[:, :, ::-1])
        assert done
        self.put(data.tobytes())
        return picture_hash(image)

    def put(self, data: bytes) -> None:
        for name in ("a.png", "b.png"):
            temporary = self.folder.parent / f"{name}.new"  # outside: the emulation lists the folder when it likes
            temporary.write_bytes(data)
            temporary.replace(self.folder / name)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "stage")


@pytest.fixture
def picture() -> Callable[[int], Image]:
    """Pictures that all differ."""
    return lambda seed: np.random.default_rng(seed).integers(0, 256, (48, 64), np.uint8)

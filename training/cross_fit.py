"""Scores of good parts by models that were fitted without them: the only scores a limit may come from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets.splits import grouped_folds
from models.graph import Positions, Vectors
from training.methods.method import Method

FOLDS = 5
FLOOR = 0.2  # of the mean spread, added to each: few pictures may agree at a position by chance

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class CrossFit:
    """What the held-out pictures said."""

    scores: list[float]  # in the order of the pictures
    folds: int
    positions: Positions | None  # of all pictures, for the package


def cross_fit(groups: Sequence[str], patches: list[Vectors], method: Method, progress: Progress) -> CrossFit:
    """Each picture's score by a model, and by position statistics, made without it and without its group."""
    count = min(FOLDS, len(set(groups)))
    held_out = grouped_folds(groups, count)
    side = int(np.sqrt(len(patches[0])))
    maps = np.empty((len(patches), side, side), np.float32)
    for k, held in enumerate(held_out):
        fitted = method.fit([one for index, one in enumerate(patches) if index not in held])
        for index in held:
            maps[index] = fitted.distances(patches[index]).reshape(side, side)
        progress("cross-fit", (k + 1) / count)
    scores = [0.0] * len(patches)
    for held in held_out:
        others = positions_of(np.delete(maps, held, axis=0)) if method.positional else None
        for index in held:
            scores[index] = score(maps[index], others)
    return CrossFit(scores, count, positions_of(maps) if method.positional else None)


def positions_of(maps: Vectors) -> Positions:
    """Mean and spread of held-out maps (N, side, side), smoothed because few pictures say little of one position."""
    spread = smooth(maps.std(axis=0, ddof=1))
    return Positions(smooth(maps.mean(axis=0)), (spread + FLOOR * spread.mean() + 1e-6).astype(np.float32))


def score(distance: Vectors, positions: Positions | None) -> float:
    """The graph's score in numpy."""
    scale, shift = positions.line() if positions else (np.float32(1), np.float32(0))
    return float(smooth(distance * scale + shift).max())


def smooth(values: npt.NDArray[np.floating]) -> Vectors:
    """3 × 3 mean inside the picture."""
    window = np.lib.stride_tricks.sliding_window_view
    total = window(np.pad(values, 1), (3, 3)).sum((2, 3))
    return np.asarray(total / window(np.pad(np.ones_like(values), 1), (3, 3)).sum((2, 3)), np.float32)

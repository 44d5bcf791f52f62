"""Nearest taught patch: a bounded bank of features of good pictures; a patch far from all of them is suspicious."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.graph import Parts, Vectors, nearest_distance

BANK = 1000  # vectors kept; 500 save 5 ms a part and cost 0.016 AUROC (mean of five sets, README of training)
PROJECTED = 48  # dimensions in which the choice is made (Johnson–Lindenstrauss; the bank itself keeps all)
PER_PICTURE = 400  # patches of a picture that compete for the bank
MOST_CANDIDATES = 20_000


def choose(patches: list[Vectors], seed: int = 0) -> Vectors:
    """At most BANK vectors that cover the patches (each (N, CHANNELS)) best: greedy k-centre from the mean outward."""
    chance = np.random.default_rng(seed)
    per_picture = max(1, min(PER_PICTURE, MOST_CANDIDATES // len(patches)))
    thinned = [one[chance.permutation(len(one))[:per_picture]] for one in patches]
    candidates = np.concatenate(thinned)
    if len(candidates) <= BANK:
        return candidates
    projection = chance.normal(size=(candidates.shape[1], PROJECTED)).astype(np.float32) / np.sqrt(PROJECTED)
    low = (candidates @ projection).astype(np.float32)
    return candidates[k_centre(low, BANK)]


def k_centre(points: Vectors, count: int) -> npt.NDArray[np.int64]:
    """Indices: each next point is the one farthest from all chosen before."""
    norms = (points**2).sum(axis=1)
    chosen = np.empty(count, np.int64)
    chosen[0] = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())
    nearest = np.full(len(points), np.inf, np.float32)
    for k in range(1, count):
        last = chosen[k - 1]
        np.minimum(nearest, norms - 2 * (points @ points[last]) + norms[last], out=nearest)
        chosen[k] = int(nearest.argmax())
    return chosen


@dataclass(frozen=True, slots=True)
class Bank:
    """Fitted: the vectors kept, (N, CHANNELS)."""

    vectors: Vectors

    def distances(self, patches: Vectors) -> Vectors:
        """Each patch's distance to its nearest vector."""
        squares = (patches**2).sum(1)[:, None] - 2 * patches @ self.vectors.T + (self.vectors**2).sum(1)[None]
        return np.asarray(np.sqrt(np.maximum(squares.min(axis=1), 0)), np.float32)

    def nodes(self) -> Parts:
        """The same in the graph."""
        return nearest_distance(self.vectors)


def fit(patches: list[Vectors]) -> Bank:
    """A bank of these pictures."""
    return Bank(choose(patches))

"""The contract of a method: fit on good patches, then say how far a patch is from them, in numpy and in the graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from models.graph import Parts, Vectors
from training.methods import gaussian, nearest


class Fitted(Protocol):
    """What was learnt from some pictures."""

    def distances(self, patches: Vectors) -> Vectors:
        """(N, CHANNELS) → (N,): larger is more suspicious."""

    def nodes(self) -> Parts:
        """The same from `features` to `distance`, to put into the package's graph."""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to learn."""

    fit: Callable[[list[Vectors]], Fitted]  # each picture's patches, (N, CHANNELS)
    positional: bool  # distances are judged against those usual at their position: wants parts that lie alike
    words: str  # for the report


METHODS = {
    "gaussian": Method(gaussian.fit, True, "Gaussian of all taught patches, judged position by position"),
    "nearest": Method(nearest.fit, False, "distance to the nearest taught patch"),
}

"""One Gaussian of all good patches: a patch is suspicious by its Mahalanobis distance. Fast, and needs few pictures."""

from dataclasses import dataclass

import numpy as np

from models.graph import Parts, Vectors, gaussian_distance

RIDGE = (
    0.01  # of the mean variance, added to each: directions in which good patches hardly differ must not decide alone
)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Fitted: mean (CHANNELS,) and W (CHANNELS, CHANNELS) with W Wᵀ the inverse covariance."""

    mean: Vectors
    whitening: Vectors

    def distances(self, patches: Vectors) -> Vectors:
        """Each patch's Mahalanobis distance."""
        return np.asarray(np.linalg.norm((patches - self.mean) @ self.whitening, axis=1), np.float32)

    def nodes(self) -> Parts:
        """The same in the graph."""
        return gaussian_distance(self.mean, self.whitening)


def fit(patches: list[Vectors]) -> Gaussian:
    """Mean and covariance of all patches of these pictures."""
    every = np.concatenate(patches).astype(np.float64)
    covariance = np.cov(every.T)
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    return Gaussian(every.mean(axis=0).astype(np.float32), whitening.astype(np.float32))

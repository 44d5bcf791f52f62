"""Limits from good parts that the model was not fitted on."""

import math
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Any

from models.decision import Limits

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Asked:
    """What the plant wants."""

    overkill: float = 0.01


def provisional(scores: list[float], asked: Asked, folds: int) -> Limits:
    """The lognormal upper tolerance limit of cross-fitted scores: with 95 % confidence at most `overkill` lie above,
    if scores are lognormal and parts stay as they are. Few parts can't promise more, so it is provisional.

    Source of the factor: NIST/SEMATECH e-Handbook 7.2.6.3 (Natrella's approximation; k = 2.94 at n = 40, p = 0.99).
    """
    logs = [math.log(max(score, 1e-9)) for score in scores]
    factor = tolerance_factor(len(logs), 1 - asked.overkill)
    limit = math.exp(fmean(logs) + factor * stdev(logs))
    evidence: dict[str, Any] = {
        "rule": "lognormal tolerance limit of cross-fitted scores",
        "requested_overkill": asked.overkill,
        "confidence": CONFIDENCE,
        "n": len(scores),
        "folds": folds,
        "factor": factor,
        "scores": sorted(scores),
    }
    return Limits(ng=limit, recheck=None, provisional=True, evidence=evidence)


def tolerance_factor(n: int, share: float) -> float:
    """How many standard deviations above the mean hold `share` of a normal population with 95 % confidence."""
    normal = NormalDist()
    z_share, z_confidence = normal.inv_cdf(share), normal.inv_cdf(CONFIDENCE)
    a = 1 - z_confidence**2 / (2 * (n - 1))
    b = z_share**2 - z_confidence**2 / n
    return (z_share + math.sqrt(z_share**2 - a * b)) / a

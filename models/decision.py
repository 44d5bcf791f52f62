"""From scores to words: verdict by limits, findings from the map."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vocabulary import Finding, Reason, ScoreMap, Verdict

MOST_FINDINGS = 20  # more boxes than this say no more than the map does


@dataclass(frozen=True, slots=True)
class Limits:
    """Where OK ends. `recheck` below `ng` opens a grey band between them."""

    ng: float
    recheck: float | None
    provisional: bool  # not enough fresh good parts yet for a guarantee
    evidence: dict[str, Any]


def decide(score: float, limits: Limits) -> tuple[Verdict, Reason]:
    """The verdict of one score; at the limit is above it."""
    if not score < limits.ng:  # also when either is no number
        return Verdict.NG, Reason("score_above_limit", f"score {score:.3f} is above the limit {limits.ng:.3f}")
    if limits.recheck is not None and score >= limits.recheck:
        text = f"score {score:.3f} lies between {limits.recheck:.3f} and the limit {limits.ng:.3f}"
        return Verdict.RECHECK, Reason("score_in_grey_band", text)
    return Verdict.OK, Reason("score_below_limit", f"score {score:.3f} is below the limit {limits.ng:.3f}")


def find(score_map: ScoreMap, limits: Limits, shape: tuple[int, ...]) -> list[Finding]:
    """Connected regions of the map at or above the first limit, as boxes in pixels of the raw picture, worst first."""
    limit = limits.ng if limits.recheck is None else limits.recheck
    above = (score_map >= limit).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above)
    down, across = shape[0] / score_map.shape[0], shape[1] / score_map.shape[1]
    found = []
    for region in range(1, count):
        x, y, width, height, area = (int(v) for v in stats[region])
        left, top, right, bottom = (
            round(x * across),
            round(y * down),
            round((x + width) * across),
            round((y + height) * down),
        )
        score = float(score_map[labels == region].max())
        found.append(Finding((left, top, right - left, bottom - top), score, round(area * across * down)))
    return sorted(found, key=lambda finding: -finding.score)[:MOST_FINDINGS]

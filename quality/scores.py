"""How well scores tell bad from good, without a limit."""

import cv2
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.floating]


def auroc(good: Numbers, bad: Numbers) -> float | None:
    """P(a bad one scores above a good one), ties half (Mann–Whitney); None without both."""
    if not len(good) or not len(bad):
        return None
    both = np.concatenate([good, bad])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = ranks[inverse][len(good) :].sum()
    return float((rank_sum - len(bad) * (len(bad) + 1) / 2) / (len(good) * len(bad)))


def recall_at_overkill(good: Numbers, bad: Numbers, share: float) -> float | None:
    """Share of bad ones above the limit that rejects at most `share` of the good ones; None without both."""
    if not len(good) or not len(bad):
        return None
    allowed = int(np.floor(share * len(good)))
    limit = np.sort(good)[::-1][allowed]
    return float((bad > limit).mean())


def aupro(maps: list[Numbers], masks: list[npt.NDArray[np.uint8]], most: float = 0.3, steps: int = 200) -> float | None:
    """Area under the per-region overlap curve up to a false positive rate of `most`, as a share (Bergmann 2021)."""
    if not any(mask.any() for mask in masks):
        return None
    regions = [cv2.connectedComponents(mask)[1] for mask in masks]
    outside = np.concatenate([m[mask == 0] for m, mask in zip(maps, masks, strict=True)])
    if not outside.size:
        return None  # nothing is good: no false positive can be
    limits = np.quantile(outside, 1 - np.linspace(0, most, steps))
    overlap = np.zeros(steps)
    count = 0
    for one, labels in zip(maps, regions, strict=True):
        for region in range(1, labels.max() + 1):
            values = np.sort(one[labels == region])
            overlap += 1 - np.searchsorted(values, limits, side="right") / len(values)
            count += 1
    rates = np.linspace(0, most, steps)
    return float(np.trapezoid(overlap / count, rates) / most)

"""Exact bounds for shares: k of n seen, how large may the true share be?

Clopper–Pearson through the binomial tail itself (bisection), because scipy would be a third of a station's install
(docs/decisions/0004-no-scipy-in-the-base.md); the tests hold it against scipy and published values.
"""

import math

import numpy as np

STEPS = 80  # halvings of [0, 1]: below the resolution of a float


def binomial_tail(k: int, n: int, share: float) -> float:
    """P(at most k of n) at a true share."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(k >= n)
    i = np.arange(1, k + 1)
    log_choose = np.concatenate([[0.0], np.cumsum(np.log((n - i + 1) / i))])
    terms = log_choose + np.arange(k + 1) * math.log(share) + (n - np.arange(k + 1)) * math.log1p(-share)
    top = float(terms.max())
    return min(1.0, math.exp(top) * math.fsum(np.exp(terms - top)))


def upper_bound(count: int, n: int, confidence: float = 0.95) -> float:
    """The largest share that `count` of `n` does not speak against, one-sided. 0 of 300 → 0.00994."""
    check(count, n)
    if count == n:
        return 1.0
    low, high = count / n, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(count, n, middle) > 1 - confidence else (low, middle)
    return high


def lower_bound(count: int, n: int, confidence: float = 0.95) -> float:
    """The smallest share that `count` of `n` does not speak against, one-sided."""
    check(count, n)
    return 1 - upper_bound(n - count, n, confidence)


def check(count: int, n: int) -> None:
    """A share needs 0 ≤ count ≤ n and n ≥ 1."""
    if not 0 <= count <= n or n < 1:
        raise ValueError(f"{count} of {n} is no share")

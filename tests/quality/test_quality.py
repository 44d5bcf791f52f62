"""Bounds and scores against scipy and published values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from quality.intervals import binomial_tail, lower_bound, upper_bound
from quality.scores import aupro, auroc, recall_at_overkill


@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_are_those_of_scipy(n: int, share: float, confidence: float) -> None:
    count = round(share * n)
    upper = stats.beta.ppf(confidence, count + 1, n - count) if count < n else 1.0
    lower = stats.beta.ppf(1 - confidence, count, n - count + 1) if count else 0.0
    assert upper_bound(count, n, confidence) == pytest.approx(upper, abs=1e-9)
    assert lower_bound(count, n, confidence) == pytest.approx(lower, abs=1e-9)


@pytest.mark.parametrize(("n", "share"), [(29, 0.10), (59, 0.05), (299, 0.01), (2995, 0.001)])
def test_the_published_zero_failure_sample_sizes_are_the_smallest_that_prove_their_share(n: int, share: float) -> None:
    # 95 % confidence, zero failures: n = ln 0.05 / ln (1 - p), a standard table
    assert upper_bound(0, n) <= share < upper_bound(0, n - 1)


def test_newcombe_s_first_case() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, case 81 of 263, Clopper-Pearson 95 % two-sided: 0.2527 to 0.3676
    assert lower_bound(81, 263, 0.975) == pytest.approx(0.2527, abs=5e-5)
    assert upper_bound(81, 263, 0.975) == pytest.approx(0.3676, abs=5e-5)


@pytest.mark.parametrize(("count", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_nonsense_counts_are_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        upper_bound(count, n)


def test_the_tail_is_the_binomial_distribution() -> None:
    assert binomial_tail(3, 20, 0.2) == pytest.approx(stats.binom.cdf(3, 20, 0.2))


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_auroc_counts_pairs(good: list[int], bad: list[int]) -> None:
    pairs = np.mean([(b > g) + 0.5 * (b == g) for g in good for b in bad])
    assert auroc(np.array(good, float), np.array(bad, float)) == pytest.approx(pairs)


def test_without_both_kinds_there_is_no_number() -> None:
    none = np.array([])
    assert auroc(none, np.array([1.0])) is None
    assert recall_at_overkill(np.array([1.0]), none, 0.01) is None
    assert aupro([np.zeros((4, 4))], [np.zeros((4, 4), np.uint8)]) is None


def test_recall_counts_what_lies_above_the_allowed_good_ones() -> None:
    good, bad = np.arange(100.0), np.array([50.0, 98.5, 99.5, 200.0])
    assert recall_at_overkill(good, bad, 0.0) == 0.5
    assert recall_at_overkill(good, bad, 0.01) == 0.75


def test_aupro_is_one_for_a_perfect_map_and_near_nothing_for_a_reversed_one() -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[4:9, 4:9] = 1
    mask[20:22, 20:30] = 1
    noise = np.random.default_rng(0).uniform(0, 1, mask.shape)
    perfect = aupro([noise + 10 * mask], [mask])
    reverse = aupro([noise - 10 * mask], [mask])
    assert perfect is not None
    assert reverse is not None
    assert perfect > 0.99
    assert reverse < 0.01

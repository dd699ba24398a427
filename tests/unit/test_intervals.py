"""Intervals of the mean against reference values, and the ways they can be absent or empty."""

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics.mean_intervals import (
    N_RESAMPLES,
    bootstrap_interval,
    interval_of_mean,
    t_interval,
)

SCORES = [0.70, 0.72, 0.69, 0.75, 0.71]


def test_the_t_interval_equals_the_reference_value():
    low, high = t_interval(SCORES)
    assert low == pytest.approx(0.714 - 0.0285853, abs=1e-7)
    assert high == pytest.approx(0.714 + 0.0285853, abs=1e-7)


def test_the_t_interval_equals_scipy_at_another_level():
    values = np.random.default_rng(0).normal(size=12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert t_interval(values, 0.9) == pytest.approx((expected.low, expected.high))


def test_the_bootstrap_interval_of_three_values_ends_on_the_smallest_and_largest():
    # Each end value has probability 1/27 > 0.025 among all resamples, so it is the quantile.
    assert bootstrap_interval([1, 2, 4], 7) == (1.0, 4.0)


def test_the_bootstrap_interval_agrees_with_scipy():
    values = np.random.default_rng(1).normal(size=40)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2))
    interval = expected.confidence_interval
    assert bootstrap_interval(values, 3) == pytest.approx((interval.low, interval.high), abs=0.01)


def test_the_bootstrap_depends_on_its_seed_and_on_nothing_else():
    values = np.random.default_rng(1).normal(size=9)
    first = bootstrap_interval(values, 5)
    np.random.seed(0)
    assert bootstrap_interval(values, 5) == first
    assert bootstrap_interval(values, 6) != first


@pytest.mark.parametrize("values", [[], [0.7]])
def test_fewer_than_two_values_have_no_interval(values):
    assert t_interval(values) is None
    assert bootstrap_interval(values, 0) is None


def test_equal_values_have_an_interval_without_width():
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert bootstrap_interval([0.5, 0.5, 0.5], 0) == (0.5, 0.5)


def test_resampled_means_are_spread_as_all_27_resamples_of_three_values_are():
    """Exact bootstrap of [1, 2, 4]: how many of the 27 resamples have each mean, and their sd; from the reference, section 6."""
    exact = {3: 1, 4: 3, 5: 3, 6: 4, 7: 6, 8: 3, 9: 3, 10: 3, 12: 1}
    drawn = np.random.default_rng(7).integers(0, 3, size=(N_RESAMPLES, 3))  # as the interval draws them
    sums = np.array([1.0, 2.0, 4.0])[drawn].sum(axis=1)
    assert sorted(set(sums)) == list(exact)
    for total, count in exact.items():
        share = count / 27
        assert np.mean(sums == total) == pytest.approx(share, abs=4 * (share * (1 - share) / len(sums)) ** 0.5)
    assert np.std(sums / 3) == pytest.approx(0.7200823, abs=0.015)


def test_an_interval_is_cut_at_the_bounds_of_its_scores():
    low, high = t_interval([0.97, 0.99, 1.0])
    assert high > 1
    assert interval_of_mean([0.97, 0.99, 1.0], None, bounds=(0.0, 1.0)) == (low, 1.0)
    assert interval_of_mean([0.03, 0.01, 0.0], None, bounds=(0.0, 1.0)) == (0.0, pytest.approx(1 - low))
    assert interval_of_mean([0.97, 0.99, 1.0], None) == (low, high)


def test_an_interval_of_crossed_seeds_is_cut_too():
    cells = [(init, order) for init in range(3) for order in range(3)]
    values = [0.9, 0.95, 1.0, 0.92, 0.97, 1.0, 1.0, 1.0, 1.0]
    low, high = interval_of_mean(values, cells)
    assert high > 1
    assert interval_of_mean(values, cells, bounds=(0.0, 1.0)) == (low, 1.0)

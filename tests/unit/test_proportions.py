"""Intervals of shares against reference numbers."""

import pytest
from scipy import stats

from bertft_core.statistics.proportions import clopper_pearson_interval, wilson_interval


def test_twelve_of_twenty_five_have_the_reference_intervals():
    assert wilson_interval(12, 25) == pytest.approx((0.300313, 0.665015), abs=1e-6)
    assert clopper_pearson_interval(12, 25) == pytest.approx((0.277968, 0.686943), abs=1e-6)


@pytest.mark.parametrize(("count", "n"), [(0, 5), (5, 5), (1, 3), (7, 30), (99, 100)])
def test_both_intervals_agree_with_scipy_at_every_end(count, n):
    found = stats.binomtest(count, n)
    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "exact")):
        expected = found.proportion_ci(0.9, method)
        assert ours(count, n, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("count", "n"), [(0, 0), (4, 3), (-1, 3)])
def test_an_impossible_share_is_refused(count, n):
    with pytest.raises(ValueError, match="not a share"):
        wilson_interval(count, n)
    with pytest.raises(ValueError, match="not a share"):
        clopper_pearson_interval(count, n)

"""Spread of a handful of values against reference numbers, and the interquartile mean at every n."""

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics.dispersion import c4, interquartile_mean, quantiles, sample_sd, sd_interval, unbiased_sd

SCORES = [0.70, 0.72, 0.69, 0.75, 0.71]


def test_the_sd_of_five_scores_has_the_reference_interval():
    assert np.std(SCORES, ddof=1) == pytest.approx(0.0230217, abs=1e-7)
    assert sd_interval(SCORES) == pytest.approx((0.013793, 0.066154), abs=1e-6)


def test_the_unbiased_sd_is_the_reference_number():
    assert c4(5) == pytest.approx(0.9399856, abs=1e-7)
    assert unbiased_sd(SCORES) == pytest.approx(0.0244916, abs=1e-7)


def test_c4_is_known_for_two_and_near_one_for_many():
    assert c4(2) == pytest.approx((2 / np.pi) ** 0.5)
    assert c4(10_000) == pytest.approx(1 - 1 / 40_000, abs=1e-6)


@pytest.mark.parametrize("values", [[], [0.7]])
def test_one_value_has_no_spread(values):
    assert sd_interval(values) is None
    assert unbiased_sd(values) is None


@pytest.mark.parametrize("value", [0.1, 0.7, 279 / 408])
def test_equal_values_have_no_spread_also_where_their_mean_is_rounded(value):
    assert np.std([value] * 6, ddof=1) > 0
    assert sample_sd([value] * 6) == unbiased_sd([value] * 6) == 0
    assert sd_interval([value] * 6) == (0, 0)
    assert sample_sd(SCORES) == np.std(SCORES, ddof=1)


def test_equal_values_have_a_spread_of_nothing():
    assert sd_interval([0.5] * 4) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 100], 2.5),
        ([1, 2, 3, 4, 100], 3.0),
        ([1, 2, 3, 4, 5, 100], 3.5),
        ([1, 2, 100], 103 / 3),
        (range(1, 11), 5.5),
    ],
)
def test_the_interquartile_mean_is_the_reference_number(values, expected):
    assert interquartile_mean(list(values)) == pytest.approx(expected)


@pytest.mark.parametrize("n", [4, 8, 12])
def test_where_a_quarter_is_whole_it_is_the_trimmed_mean(n):
    values = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_a_value_across_a_quartile_keeps_a_part_of_its_weight():
    # a quarter of six is 1.5: one value goes at each end, and half of the next one
    assert interquartile_mean([0, 1, 2, 3, 4, 50]) == pytest.approx((0.5 * 1 + 2 + 3 + 0.5 * 4) / 3)
    uneven = [0, 0, 0, 4, 8, 16, 32]
    assert interquartile_mean(uneven) == pytest.approx((0.25 * 0 + 0 + 4 + 8 + 0.25 * 16) / 3.5)
    assert interquartile_mean(uneven) != pytest.approx(stats.trim_mean(uneven, 0.25))


@pytest.mark.parametrize("n", [5, 6, 7, 9])
def test_it_does_not_change_when_every_value_comes_four_times(n):
    values = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(np.repeat(values, 4), 0.25))


def test_three_values_or_fewer_are_averaged_and_none_are_refused():
    assert interquartile_mean([7.0]) == 7.0
    with pytest.raises(ValueError, match="no values"):
        interquartile_mean([])


def test_quantiles_are_linear_between_values():
    assert quantiles([0.0, 1.0, 2.0, 3.0, 4.0]) == pytest.approx({"0.05": 0.2, "0.25": 1.0, "0.75": 3.0, "0.95": 3.8})

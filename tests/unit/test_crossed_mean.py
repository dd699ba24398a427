"""How sure the mean of runs that share seeds is, worked out by hand, and what has no such interval."""

import numpy as np
import pytest
from scipy import stats

from bertft_core.evaluation.insights.seed_variance import mean_se
from bertft_core.statistics.crossed_mean import crossed_mean, crossed_sd_interval, crossed_variances
from bertft_core.statistics.variance_components import crossed
from tests.helpers.score_grids import GRID

PLACES = [(i, j) for i in range(4) for j in range(3)]
"""The cells of GRID, run by run."""


def test_the_variance_and_its_degrees_are_those_of_the_mean_squares():
    init, order, left = (each.square for each in crossed(GRID))
    found = crossed_mean(GRID.ravel(), PLACES)
    assert found.mean == pytest.approx(GRID.mean())
    wanted = (init.value + order.value - left.value) / 12
    assert found.variance == pytest.approx(wanted)
    assert found.variance**0.5 == pytest.approx(mean_se(crossed(GRID), 12))
    doubt = init.value**2 / 3 + order.value**2 / 2 + left.value**2 / 6
    assert found.degrees == pytest.approx(max((12 * wanted) ** 2 / doubt, 2))
    half = stats.t.ppf(0.975, found.degrees) * wanted**0.5
    assert found.interval() == pytest.approx((found.mean - half, found.mean + half))


def test_replicates_are_no_more_independent_runs():
    """Every run twice: as sure as before, not surer."""
    once = crossed_mean(GRID.ravel(), PLACES)
    twice = crossed_mean(np.repeat(GRID.ravel(), 2), [cell for cell in PLACES for _ in range(2)])
    assert twice == pytest.approx(once)


def test_the_order_of_the_runs_has_no_effect_and_a_missing_run_has_little():
    shuffled = np.random.default_rng(0).permutation(12)
    found = crossed_mean(GRID.ravel()[shuffled], [PLACES[i] for i in shuffled])
    assert found == pytest.approx(crossed_mean(GRID.ravel(), PLACES))
    without = crossed_mean(GRID.ravel()[1:], PLACES[1:])
    part = (each.square.value for each in crossed(GRID[1:]))
    init, order, left = part
    of_init, of_order, of_cells = (2**2 + 3 * 3**2) / 121, (3**2 + 2 * 4**2) / 121, 1 / 11
    wanted = of_init * (init - left) / 3 + of_order * (order - left) / 3 + of_cells * left
    assert without.mean == pytest.approx(GRID.ravel()[1:].mean())
    assert without.variance == pytest.approx(max(wanted, left / 11))


def test_it_is_never_surer_than_the_cells_alone():
    """Rows and columns that balance by chance leave a mean that would not vary at all."""
    cells = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 1.0], [3.0, 1.0, 2.0]])
    places = [(i, j) for i in range(3) for j in range(3)]
    assert crossed_mean(cells.ravel(), places).variance == pytest.approx(crossed(cells)[2].square.value / 9)


@pytest.mark.parametrize("score", [0.0, 0.7, 0.1 + 0.2])
def test_runs_that_all_score_the_same_have_an_interval_without_width(score):
    found = crossed_mean(np.full(12, score), PLACES)
    assert found.interval() == (pytest.approx(score), pytest.approx(score))
    assert found.variance == 0
    assert crossed_sd_interval(np.full(12, score), PLACES) == (0, 0)


@pytest.mark.parametrize("places", [[(i, j) for i in range(2) for j in range(6)], [(i, i) for i in range(12)], []])
def test_there_is_none_without_a_complete_grid_of_three_by_three(places):
    values = np.random.default_rng(1).normal(size=len(places))
    assert crossed_mean(values, places) is None
    assert crossed_variances(values, places) is None
    assert crossed_sd_interval(values, places) is None


def test_many_means_at_once_vary_as_each_alone():
    many = np.random.default_rng(2).normal(size=(5, 12)) + GRID.ravel()
    assert crossed_variances(many, PLACES) == pytest.approx([crossed_mean(values, PLACES).variance for values in many])


def test_the_interval_of_the_sd_holds_the_root_of_all_components():
    found = crossed(GRID)
    low, high = crossed_sd_interval(GRID.ravel(), PLACES)
    assert low < sum(each.raw for each in found) ** 0.5 < high
    wide = crossed_sd_interval(GRID.ravel(), PLACES, 0.99)
    assert wide[0] < low < high < wide[1]

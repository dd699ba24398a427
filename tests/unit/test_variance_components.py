"""Variance components against reference numbers and known designs; gaps in a grid; permutation tests of ranges."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics.complete_grid import complete_grid
from bertft_core.statistics.mean_squares import MeanSquare, difference_interval
from bertft_core.statistics.variance_components import crossed, level_range, nested, range_p
from tests.helpers.score_grids import GRID


def test_one_run_per_cell_gives_the_reference_components():
    init, order, left = crossed(GRID)
    assert (init.square.value, order.square.value, left.square.value) == pytest.approx((14.0, 3.25, 2.9166667))
    assert (init.raw, order.raw, left.raw) == pytest.approx((3.6944444, 0.0833333, 2.9166667))
    assert (init.f, init.f_p) == pytest.approx((4.8, 0.0491035), abs=1e-7)
    assert (order.f, order.f_p) == pytest.approx((1.1142857, 0.3876863), abs=1e-7)
    assert [e.square.df for e in (init, order, left)] == [3, 2, 6]


@pytest.mark.parametrize("score", [279 / 408, 721 / 1043, 146 / 277])
@pytest.mark.parametrize("shape", [(5, 5), (3, 5), (3, 4, 2)])
def test_runs_that_all_score_the_same_have_no_components_and_no_f(score, shape):
    """As collapsed runs do: the majority of MRPC, CoLA and RTE."""
    for estimate in crossed(np.full(shape, score)):
        assert (estimate.square.value, estimate.variance, estimate.high, estimate.f) == (0, 0, 0, None)
    for estimate in nested([[score] * n for n in shape]):
        assert (estimate.square.value, estimate.variance, estimate.high, estimate.f) == (0, 0, 0, None)


def test_a_factor_without_effect_is_not_found_in_the_rounding_of_another():
    cells = np.tile(np.array([[279 / 408], [300 / 408], [281 / 408]]), 5)
    init, order, left = crossed(cells)
    assert init.variance == pytest.approx(np.var(cells[:, 0], ddof=1))
    assert (init.f, order.f, order.variance, left.variance) == (None, None, 0, 0)


def test_ranges_are_the_reference_numbers():
    assert level_range(GRID, 0) == pytest.approx(5.0)
    assert level_range(GRID, 1) == pytest.approx(1.75)


def test_a_negative_estimate_is_kept_raw_and_cut_at_zero():
    rng = np.random.default_rng(1)
    init = crossed(rng.normal(size=(4, 4)) - 3 * np.eye(4))[0]
    assert init.raw < 0
    assert (init.variance, init.low) == (0.0, 0.0)
    assert init.high >= 0


def test_replicates_set_the_interaction_apart():
    rng = np.random.default_rng(5)
    cells = rng.normal(size=(3, 4, 2))
    found = {each.source: each for each in crossed(cells)}
    assert list(found) == ["init", "order", "interaction", "residual"]
    assert found["residual"].raw == pytest.approx(cells.var(axis=2, ddof=1).mean())
    means = crossed(cells.mean(axis=2))
    for name, of_means in zip(("init", "order"), means, strict=False):
        assert found[name].raw == pytest.approx(of_means.raw)
        assert found[name].f == pytest.approx(of_means.f)
    both = found["interaction"].square.value
    assert both == pytest.approx(2 * means[2].square.value)
    assert found["interaction"].raw == pytest.approx((both - found["residual"].raw) / 2)
    assert found["interaction"].f_p == pytest.approx(stats.f.sf(found["interaction"].f, 6, 12))


def test_the_residual_has_the_chi_square_interval():
    left = crossed(GRID)[2]
    expected = 6 * left.raw / stats.chi2.ppf([0.975, 0.025], 6)
    assert (left.low, left.high) == pytest.approx(tuple(expected))


def test_the_interval_of_a_difference_ends_on_the_exact_one_when_a_mean_square_is_nothing():
    low, high = difference_interval(MeanSquare(4.0, 5), MeanSquare(0.0, 9))
    assert (low, high) == pytest.approx(tuple(4.0 * 5 / stats.chi2.ppf([0.975, 0.025], 5)))


def test_the_interval_leaves_zero_out_exactly_when_the_f_test_is_significant():
    # the F test has 2.5 % on one side, as the interval has: their border is the same (Ting et al. 1990)
    border = stats.f.ppf(0.975, 3, 6)
    for ratio, positive in ((border * 1.0001, True), (border * 0.9999, False)):
        assert bool(difference_interval(MeanSquare(ratio, 3), MeanSquare(1.0, 6))[0] > 0) is positive


def test_nested_groups_agree_with_the_usual_analysis_of_variance():
    groups = [[1.0, 2.0, 3.0], [4.0, 6.0], [5.0, 5.5, 7.0, 8.0]]
    between, within = nested(groups)
    expected = stats.f_oneway(*groups)
    assert (between.f, between.f_p) == pytest.approx((expected.statistic, expected.pvalue))
    assert within.raw == pytest.approx(sum(np.var(group) * len(group) for group in groups) / 6)
    n0 = (9 - (9 + 4 + 16) / 9) / 2
    assert between.raw == pytest.approx((between.square.value - within.raw) / n0)
    assert 0 <= between.low <= between.high


@pytest.mark.parametrize("groups", [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0], []]])
def test_groups_that_tell_nothing_are_refused(groups):
    with pytest.raises(ValueError, match="two groups"):
        nested(groups)


@pytest.mark.parametrize(("cells", "words"), [(np.zeros((1, 5)), "2 × 2"), (np.full((3, 3), np.nan), "missing")])
def test_a_grid_that_is_none_is_refused(cells, words):
    with pytest.raises(ValueError, match=words):
        crossed(cells)


def test_the_permutation_test_agrees_with_all_permutations():
    cells = np.array([[1.0, 5.0], [2.0, 7.0], [4.0, 6.0]])
    ranges = [
        np.ptp([(a + b) / 2 for a, b in zip(first, second, strict=True)])
        for first in permutations(cells[:, 0])
        for second in permutations(cells[:, 1])
    ]
    exact = np.mean([found >= level_range(cells, 0) - 1e-12 for found in ranges])
    assert range_p(cells, 0, np.random.default_rng(0), 20_000) == pytest.approx(exact, abs=0.01)


def test_the_permutation_test_is_seeded_never_zero_and_sees_an_effect():
    cells = np.random.default_rng(2).normal(size=(8, 6)) + 10 * np.arange(8)[:, None]
    p = range_p(cells, 0, np.random.default_rng(3), 999)
    assert p == 1 / 1000
    assert range_p(cells, 1, np.random.default_rng(3), 999) == range_p(cells, 1, np.random.default_rng(3), 999)
    assert range_p(cells, 1, np.random.default_rng(3), 999) > 0.01
    assert range_p(cells.T, 1, np.random.default_rng(3), 999) == p


def test_a_strong_effect_of_the_other_factor_does_not_hide_this_one():
    cells = np.random.default_rng(2).normal(size=(6, 6)) + 2 * np.arange(6)[:, None] + 100 * np.arange(6)[None, :]
    assert range_p(cells, 0, np.random.default_rng(0), 999) == 1 / 1000


def test_a_complete_grid_is_itself():
    grid = complete_grid({(i, j): [GRID[i, j]] for i in range(4) for j in range(3)})
    assert (grid.rows, grid.columns, grid.n_left_out) == ((0, 1, 2, 3), (0, 1, 2), 0)
    assert np.array_equal(grid.values[:, :, 0], GRID)


def test_one_gap_costs_the_shorter_line_through_it():
    runs = {(i, j): [GRID[i, j]] for i in range(4) for j in range(3) if (i, j) != (2, 1)}
    grid = complete_grid(runs)
    assert (grid.rows, grid.columns, grid.n_left_out) == ((0, 1, 3), (0, 1, 2), 2)


def test_a_missing_replicate_costs_as_little_as_can_be():
    runs = {(i, j): [1.0, 2.0] for i in range(5) for j in range(4)}
    runs[3, 3] = [1.0]
    grid = complete_grid(runs)
    assert grid.values.shape == (4, 4, 2)
    assert grid.n_left_out == 7
    one = complete_grid({(i, j): [1.0, 2.0] if (i, j) == (0, 0) else [3.0] for i in range(5) for j in range(4)})
    assert one.values.shape == (5, 4, 1)
    assert one.n_left_out == 1


def test_large_grids_are_peeled():
    runs = {(i, j): [0.0] for i in range(15) for j in range(14) if (i, j) not in {(3, 1), (3, 5), (8, 2)}}
    grid = complete_grid(runs)
    assert grid.values.shape[:2] == (13, 14)
    assert 3 not in grid.rows
    assert 8 not in grid.rows


def test_a_diagonal_is_no_grid():
    assert complete_grid({(i, i): [0.5] for i in range(4)}) is None
    assert complete_grid({}) is None

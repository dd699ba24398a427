"""Simulations: intervals of a mean and of a spread over runs that share seeds cover; that of as many independent runs does not.

About 40 seconds on one core. Every design and seed is fixed; normal effects of init, order, both and the rest.
"""

import numpy as np
import pytest

from bertft_core.statistics.crossed_mean import crossed_mean, crossed_sd_interval
from bertft_core.statistics.mean_intervals import t_interval
from tests.unit.test_coverage_of_spread import grids

pytestmark = pytest.mark.slow

N = 3000
MARGIN = 2 * (0.05 * 0.95 / N) ** 0.5
SOURCES = {
    "rest": (0.0, 0.0, 0.0, 1.0),
    "init": (3.0, 0.0, 0.0, 1.0),
    "both": (1.0, 1.0, 0.5, 1.0),
    "init and order": (3.0, 3.0, 0.0, 1.0),
}
"""Where the spread comes from → sds of init, order, their interaction and the rest."""


def covered(shape, source, n_missing=0):
    """Shares of intervals that hold the true mean, the true sd, and the true mean as if runs were independent."""
    rng, sds = np.random.default_rng([*shape, n_missing]), SOURCES[source]
    total = sum(sd**2 for sd in sds) ** 0.5
    places = [(i, j) for i in range(shape[0]) for j in range(shape[1]) for _ in range(shape[2])]
    hits = []
    for grid in grids(rng, shape, *sds, n=N):
        there = np.sort(rng.permutation(len(places))[n_missing:])
        values, cells = grid.ravel()[there] - 0.8, [places[i] for i in there]
        ends = (crossed_mean(values, cells).interval(), crossed_sd_interval(values, cells), t_interval(values))
        hits.append([low <= true <= high for (low, high), true in zip(ends, (0.0, total, 0.0), strict=True)])
    return np.mean(hits, axis=0)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("shape", [(3, 3, 1), (5, 5, 1), (4, 6, 2), (10, 10, 1)])
def test_the_mean_and_the_spread_of_a_crossed_design_are_covered(shape, source):
    mean, sd, as_if_independent = covered(shape, source)
    assert mean >= 0.94 - MARGIN
    assert 0.92 - MARGIN <= sd <= 0.98 + MARGIN
    assert as_if_independent < (0.85 if source != "rest" else 0.97)


@pytest.mark.parametrize("source", SOURCES)
def test_three_seeds_against_many_are_the_worst_case(source):
    mean, sd, as_if_independent = covered((3, 20, 1), source)
    assert mean >= 0.92 - MARGIN
    assert 0.92 - MARGIN <= sd <= 0.98 + MARGIN
    assert as_if_independent < (0.65 if source != "rest" else 0.97)


@pytest.mark.parametrize("source", SOURCES)
def test_it_covers_where_runs_are_missing(source):
    mean, sd, _ = covered((6, 6, 1), source, n_missing=4)
    assert mean >= 0.93 - MARGIN
    assert 0.92 - MARGIN <= sd <= 0.98 + MARGIN

"""Simulations: intervals of spreads, rates and variance components cover what they promise, and tests keep their level.

About 15 seconds on one core. Every design and seed is fixed, and the tolerance is that of the number of simulations.
"""

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics.dispersion import sd_interval, unbiased_sd
from bertft_core.statistics.proportions import clopper_pearson_interval, wilson_interval
from bertft_core.statistics.seeds_needed import detectable_effect, power
from bertft_core.statistics.variance_components import crossed, nested, range_p

pytestmark = pytest.mark.slow

N = 4000
LOW, HIGH = 0.93, 0.97
LEVEL = 0.05
ALLOWED = LEVEL + 3 * (LEVEL * (1 - LEVEL) / N) ** 0.5


@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_the_interval_of_the_sd_covers_and_the_unbiased_sd_is_right_on_average(n):
    samples = np.random.default_rng(n).normal(scale=2.0, size=(N, n))
    inside = [low <= 2.0 <= high for low, high in map(sd_interval, samples)]
    assert LOW <= np.mean(inside) <= HIGH
    assert np.mean([unbiased_sd(sample) for sample in samples]) == pytest.approx(2.0, rel=0.03)


@pytest.mark.parametrize("n", [10, 25, 50])
def test_wilsons_interval_covers_on_average_over_shares_and_clopper_pearsons_for_each(n):
    """Exact, by the binomial distribution; every share from 5 to 95 %."""
    shares = np.linspace(0.05, 0.95, 181)
    chances = stats.binom.pmf(np.arange(n + 1)[:, None], n, shares[None, :])
    covers = {}
    for interval in (wilson_interval, clopper_pearson_interval):
        ends = np.array([interval(count, n) for count in range(n + 1)])
        inside = (ends[:, :1] <= shares) & (shares <= ends[:, 1:])
        covers[interval] = (chances * inside).sum(axis=0)
    assert LOW <= covers[wilson_interval].mean() <= HIGH
    assert covers[clopper_pearson_interval].min() >= 0.95


DESIGNS = {
    "5 × 5": (5, 5, 1),
    "10 × 10": (10, 10, 1),
    "4 × 6 × 2": (4, 6, 2),
    "8 × 3 × 3": (8, 3, 3),
}


def grids(rng, shape, init, order, both, left, n=N):
    """Grids [n, init, order, replicates] of random effects with these sds."""
    a, b, r = shape
    return (
        0.8
        + init * rng.normal(size=(n, a, 1, 1))
        + order * rng.normal(size=(n, 1, b, 1))
        + both * rng.normal(size=(n, a, b, 1))
        + left * rng.normal(size=(n, a, b, r))
    )


@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_of_variance_components_cover(design):
    shape = DESIGNS[design]
    init, order, both, left = 0.02, 0.015, 0.01 if shape[2] > 1 else 0.0, 0.02
    truth = {"init": init**2, "order": order**2, "interaction": both**2, "residual": left**2}
    inside: dict[str, list[bool]] = {}
    for cells in grids(np.random.default_rng(7), shape, init, order, both, left):
        for found in crossed(cells):
            inside.setdefault(found.source, []).append(found.low <= truth[found.source] <= found.high)
    covered = {source: float(np.mean(hits)) for source, hits in inside.items()}
    assert all(LOW <= share <= HIGH for share in covered.values()), covered


@pytest.mark.parametrize("design", DESIGNS)
def test_f_tests_keep_their_level_while_the_other_factor_works(design):
    shape = DESIGNS[design]
    ps = [crossed(cells)[0].f_p for cells in grids(np.random.default_rng(8), shape, 0.0, 0.05, 0.01, 0.02)]
    assert np.mean(np.array(ps) <= LEVEL) <= ALLOWED


@pytest.mark.parametrize("shape", [(5, 5, 1), (4, 6, 2)])
def test_the_permutation_test_keeps_its_level_while_the_other_factor_works_and_finds_an_effect(shape):
    n = 1500
    rng = np.random.default_rng(9)
    null = [range_p(cells, 0, rng, 199) for cells in grids(rng, shape, 0.0, 0.05, 0.01, 0.02, n)]
    assert np.mean(np.array(null) <= LEVEL) <= LEVEL + 3 * (LEVEL * (1 - LEVEL) / n) ** 0.5
    strong = [range_p(cells, 0, rng, 199) for cells in grids(rng, shape, 0.04, 0.05, 0.0, 0.02, 200)]
    assert np.mean(np.array(strong) <= LEVEL) > 0.8


@pytest.mark.parametrize("sizes", [[5] * 6, [3, 5, 8, 4, 6], [10] * 3])
def test_components_between_and_within_studies_cover_and_the_f_test_keeps_its_level(sizes):
    rng = np.random.default_rng(10)
    between, within = 0.02, 0.015
    hits, ps = [], []
    for _ in range(N):
        groups = [0.8 + between * rng.normal() + within * rng.normal(size=size) for size in sizes]
        found = nested(groups)
        hits.append([each.low <= true**2 <= each.high for each, true in zip(found, (between, within), strict=True)])
        ps.append(nested([group - group.mean() + rng.normal(scale=within / len(group) ** 0.5) for group in groups])[0].f_p)
    covered = np.mean(hits, axis=0)
    assert all(LOW <= share <= HIGH for share in covered), covered
    assert np.mean(np.array(ps) <= LEVEL) <= ALLOWED


@pytest.mark.parametrize(("n", "paired"), [(5, True), (5, False), (12, True), (20, False)])
def test_the_smallest_detectable_effect_is_found_as_often_as_promised(n, paired):
    effect, rng = detectable_effect(n, paired=paired), np.random.default_rng(11)
    ours = rng.normal(effect, 1.0, size=(N, n))
    theirs = rng.normal(size=(N, n))
    ps = (stats.ttest_1samp(ours, 0.0, axis=1) if paired else stats.ttest_ind(ours, theirs, axis=1)).pvalue
    assert np.mean(ps <= LEVEL) == pytest.approx(0.8, abs=0.025)
    assert power(n, effect, paired=paired) == pytest.approx(0.8)

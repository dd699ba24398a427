"""The multi-bootstrap against its reference, against exact enumeration, and against what its reference does wrong."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics.multi_bootstrap import MultiBootstrap, multi_bootstrap
from bertft_core.statistics.resampling import Draws, Floats, resample_examples
from tests.helpers.score_grids import mean_over_examples

HASHED = """
import numpy as np
from bertft_core.statistics.multi_bootstrap import multi_bootstrap
from bertft_core.statistics.resampling import resample_examples
from tests.helpers.score_grids import mean_over_examples
right = {f"seed-{i}": np.random.default_rng(i).random((2, 50)) < [[0.7], [0.75]] for i in range(8)}
common = list(set(right))
arms = [mean_over_examples(np.array([right[name][arm] for name in common], dtype=float)) for arm in (1, 0)]
found = multi_bootstrap(*resample_examples(arms, 5, 300), paired=True, bootstrap_seed=5)
print(common[0], *found.both, *found.seeds)
"""


def _reference_arms() -> tuple[Floats, Floats]:
    """Who is right [5 seeds, 200 examples] in baseline and experiment of the reference's own example."""
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 2, 200)
    base, experiment = (
        np.array([np.where(rng.rand(200) < accuracy, labels, 1 - labels) == labels for _ in range(5)], dtype=float)
        for accuracy in (0.80, 0.83)
    )
    return base, experiment


def _compare(first: Floats, second: Floats, paired: bool, n_resamples: int = 4000, seed: int = 0) -> MultiBootstrap:
    draws = resample_examples([mean_over_examples(first), mean_over_examples(second)], seed, n_resamples)
    return multi_bootstrap(*draws, paired=paired, bootstrap_seed=seed)


@pytest.mark.parametrize(
    ("paired", "source", "low", "high", "p"),
    [
        (True, "both", -0.028, 0.077, 0.183),
        (False, "both", -0.024, 0.07502, 0.1715),
        (True, "seeds", 0.003, 0.051, 0.006),
        (True, "examples", -0.009, 0.061, 0.086),
    ],
)
def test_percentiles_and_their_p_are_those_of_the_reference(paired: bool, source: str, low: float, high: float, p: float) -> None:
    base, experiment = _reference_arms()
    assert (base.mean(), experiment.mean()) == pytest.approx((0.793, 0.817))
    found = _compare(experiment, base, paired, n_resamples=20_000)
    assert found.difference == pytest.approx(0.024)
    resampled = getattr(found, source)
    assert (resampled.percentile_low, resampled.percentile_high) == pytest.approx((low, high), abs=0.005)
    assert resampled.percentile_p == pytest.approx(2 * p, abs=8 * (p * (1 - p) / 2000) ** 0.5)


def test_arbitrarily_many_seeds_leave_the_variance_over_examples() -> None:
    """V(examples) of the mean over ever more seeds tends to the part that seeds do not share; here all seeds answer alike."""
    rng = np.random.default_rng(0)
    answers, noise = (rng.random(200) < 0.1).astype(float), rng.normal(0, 0.05, (4, 1))
    found = _compare(np.tile(answers, (4, 1)) + noise, np.zeros((4, 200)), paired=True, n_resamples=20_000)
    z = found.difference / (answers.var() / 200) ** 0.5
    assert found.p_many_seeds == pytest.approx(2 * stats.norm.sf(z), rel=0.2)
    assert found.both is not None
    assert found.both.p > 400 * found.p_many_seeds


def test_no_p_value_is_below_two_of_the_resamples() -> None:
    first, second = Draws(np.array([0.9, 0.91, 0.92])), Draws(np.array([0.1, 0.11, 0.125]))
    found = multi_bootstrap(first, second, paired=True, bootstrap_seed=0, n_resamples=999)
    assert (found.seeds.p, found.seeds.percentile_p) == (0.002, 0.002)


def test_both_sources_drawn_one_by_one_as_published_have_the_same_spread() -> None:
    base, experiment = _reference_arms()
    rng, differences = np.random.default_rng(3), []
    for _ in range(4000):
        seeds, examples = rng.integers(0, 5, 5), rng.integers(0, 200, 200)
        differences.append((experiment - base)[np.ix_(seeds, examples)].mean())
    both = _compare(experiment, base, paired=True).both
    assert both is not None
    assert [both.percentile_low, both.percentile_high] == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.004)


def test_seeds_alone_are_the_exact_bootstrap_and_the_t_tests() -> None:
    base, experiment = _reference_arms()
    a, b = experiment.mean(axis=1), base.mean(axis=1)
    drawn = np.array([(a - b)[list(seeds)].mean() for seeds in itertools.product(range(5), repeat=5)])
    paired = multi_bootstrap(Draws(a), Draws(b), paired=True, bootstrap_seed=1, n_resamples=40_000)
    assert (paired.examples, paired.both, paired.seeds_share) == (None, None, None)
    assert paired.seeds.percentile_p == pytest.approx(2 * np.mean(drawn <= 1e-12), abs=0.004)
    assert paired.seeds.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    interval = stats.ttest_rel(a, b).confidence_interval()
    assert (paired.seeds.low, paired.seeds.high) == pytest.approx((interval.low, interval.high))
    unpaired = multi_bootstrap(Draws(a), Draws(b[:4]), paired=False, bootstrap_seed=1)
    welch = stats.ttest_ind(a, b[:4], equal_var=False)
    assert unpaired.seeds.p == pytest.approx(welch.pvalue)
    assert (unpaired.seeds.low, unpaired.seeds.high) == pytest.approx(welch.confidence_interval())


def test_all_pairs_come_from_one_pass_and_do_not_depend_on_the_arms_beside_them() -> None:
    rng = np.random.default_rng(0)
    arms = [mean_over_examples((rng.random((n, 60)) < 0.7).astype(float)) for n in (4, 6, 5)]
    together, alone = resample_examples(arms, 9, 700), resample_examples(arms[2:], 9, 700)
    np.testing.assert_array_equal(together[2].resampled, alone[0].resampled)
    assert [draws.resampled.shape for draws in together if draws.resampled is not None] == [(700, 4), (700, 6), (700, 5)]
    first = multi_bootstrap(together[0], together[2], paired=False, bootstrap_seed=9)
    assert first == multi_bootstrap(together[0], alone[0], paired=False, bootstrap_seed=9)
    assert first != multi_bootstrap(together[0], alone[0], paired=False, bootstrap_seed=8)


def test_the_order_of_the_seeds_has_no_effect() -> None:
    base, experiment = _reference_arms()
    order = [3, 0, 4, 1, 2]
    assert _compare(experiment, base, paired=True) == _compare(experiment[order], base[order], paired=True)
    assert _compare(experiment, base, paired=False) == _compare(experiment[order], base[::-1], paired=False)
    assert _compare(experiment, base, paired=True) != _compare(experiment[order], base, paired=True)


def test_seeds_named_by_strings_give_the_same_numbers_whatever_the_hash_seed() -> None:
    """google-research/language gives p .178, .206 and .194 for PYTHONHASHSEED 0, 1 and 2."""
    firsts, numbers = [], set()
    for hash_seed in ("0", "1", "3"):
        found = subprocess.run(
            [sys.executable, "-c", HASHED],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        first, _, rest = found.stdout.partition(" ")
        firsts.append(first)
        numbers.add(rest)
    assert len(set(firsts)) > 1, "these hash seeds do not change the order of the set"
    assert len(numbers) == 1


def test_pairs_are_drawn_as_pairs() -> None:
    """The paired bootstrap test of deep-significance draws each arm on its own."""
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 1, 12)
    a, b = Draws(seeds + 0.1 + rng.normal(0, 0.01, 12)), Draws(seeds)
    paired, unpaired = (multi_bootstrap(a, b, paired=p, bootstrap_seed=0, n_resamples=2000).seeds for p in (True, False))
    assert paired.percentile_high - paired.percentile_low < 0.02 < 0.9 < unpaired.percentile_high - unpaired.percentile_low
    assert paired.percentile_p == 2 / 2001 < 0.5 < unpaired.percentile_p


def test_the_seed_is_heard_and_the_global_state_is_neither_heard_nor_touched() -> None:
    base, experiment = _reference_arms()
    np.random.seed(1)
    before = np.random.random()
    np.random.seed(1)
    first = _compare(experiment, base, paired=False)
    assert np.random.random() == before
    np.random.seed(2)
    assert _compare(experiment, base, paired=False) == first
    assert _compare(experiment, base, paired=False, seed=1) != first


def test_no_p_value_is_zero_and_equal_arms_do_not_differ() -> None:
    base, _ = _reference_arms()
    same = _compare(base, base, paired=True, n_resamples=200)
    assert (same.difference, same.seeds_share) == (0.0, None)
    assert same.both is not None
    assert same.both.p == same.both.percentile_p == 1.0
    apart = _compare(np.ones((3, 200)), np.zeros((3, 200)), paired=True, n_resamples=200)
    for resampled in (apart.seeds, apart.examples, apart.both):
        assert resampled is not None
        assert resampled.p == resampled.percentile_p == 2 / 201
        assert (resampled.low, resampled.high, resampled.percentile_low) == (1.0, 1.0, 1.0)
    [_, first], [second, _] = (resample_examples([mean_over_examples(base)] * 2, 1, 99) for _ in range(2))
    assert multi_bootstrap(first, second, paired=True, bootstrap_seed=0).difference == 0.0


def test_the_variance_is_that_of_crossed_random_effects() -> None:
    """MS(seeds) + MS(examples) − MS(rest), by the number of values, is the variance of the mean of a crossed table."""
    rng = np.random.default_rng(4)
    table = rng.normal(size=(8, 1)) * 0.2 + rng.normal(size=(1, 400)) * 0.5 + rng.normal(size=(8, 400))
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = ((table - rows - columns + table.mean()) ** 2).sum() / (7 * 399)
    variance = (400 * np.var(rows, ddof=1) + 8 * np.var(columns, ddof=1) - rest) / table.size
    found = _compare(table, np.zeros_like(table), paired=True, n_resamples=8000)
    assert found.both is not None
    of_seeds = float(np.var(rows, ddof=1)) / 8
    half = (stats.t(7).ppf(0.975) * of_seeds + stats.norm.ppf(0.975) * (variance - of_seeds)) / variance**0.5
    assert found.both.high - found.difference == pytest.approx(half, rel=0.02)


def test_what_cannot_be_compared_is_refused() -> None:
    three, four = Draws(np.arange(3.0)), Draws(np.arange(4.0))
    with pytest.raises(ValueError, match="same seeds"):
        multi_bootstrap(three, four, paired=True, bootstrap_seed=0)
    with pytest.raises(ValueError, match="two seeds"):
        multi_bootstrap(three, Draws(np.ones(1)), paired=False, bootstrap_seed=0)
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        resample_examples([mean_over_examples(np.ones((2, 3))), mean_over_examples(np.ones((2, 4)))], 0, 10)

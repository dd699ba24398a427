"""How often statistics of repeated splits cover and err, with classifiers that are really trained; some 4 minutes on one core.

The two arms are equally good in expectation (`cross_validated_arms`). Shares are held to bounds with a margin of three standard
errors of such a share. docs/decisions/0012 has the numbers of longer ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest

from bertft_core.statistics.mean_intervals import interval_of_mean, t_interval
from bertft_core.statistics.mean_tests import MeanTest, paired_t
from bertft_core.statistics.multi_bootstrap import multi_bootstrap
from bertft_core.statistics.pooled_bootstrap import pooled_bootstrap
from bertft_core.statistics.repeated_splits import mean_test_to_train, split_mean
from bertft_core.statistics.resampling import Additive, Floats, resample_examples
from bertft_core.statistics.shared_by_runs import Splits
from bertft_core.statistics.split_components import split_components
from bertft_core.statistics.split_tests import corrected_t, deciding, five_by_two_f, split_tests
from tests.helpers.cross_validated_arms import Learner, cross_validated, resampled_splits
from tests.helpers.score_grids import mean_over_examples

pytestmark = pytest.mark.slow

LEVEL = 0.05
LEARNERS = {
    "stable": Learner(n_examples=100, n_features=10, ridge=None),
    "small": Learner(n_examples=50, n_features=10, ridge=1.0),
    "unstable": Learner(n_examples=100, n_features=30, ridge=1.0),
    "with seeds": Learner(n_examples=100, n_features=10, ridge=1.0, seed_noise=0.7),
}


def _margin(n: int, share: float = LEVEL) -> float:
    return float(3 * (share * (1 - share) / n) ** 0.5)


def _errs(test: MeanTest | None) -> bool:
    return test is not None and test.p is not None and test.p <= LEVEL


def _splits(k: int, repeats: int, n_seeds: int = 1) -> Splits:
    return Splits(tuple(np.repeat(np.arange(k * repeats), n_seeds).tolist()), 1 / (k - 1), k, repeats)


@pytest.mark.parametrize("learner", ["stable", "small"])
@pytest.mark.parametrize(("k", "repeats", "plain"), [(5, 1, 0.04), (10, 1, 0.03), (5, 2, 0.13), (2, 5, 0.35), (5, 10, 0.5)])
def test_the_corrected_t_keeps_its_level_where_the_paired_t_test_does_not(
    k: int, repeats: int, plain: float, learner: str
) -> None:
    n, splits, errors, covered, expected = 2000, _splits(k, repeats), Counter[str](), [], []
    for batch in cross_validated(LEARNERS[learner], k, repeats, 1, n):
        expected.append(batch.expected.mean())
        for first, second in batch.scores[..., 0]:
            errors["corrected"] += _errs(corrected_t(first, second, splits))
            errors["plain"] += _errs(paired_t(first, second))
            covered.append(interval_of_mean(first.tolist(), splits, bounds=(0.0, 1.0)) or (1.0, 0.0))
    truth, (low, high) = np.mean(expected), np.transpose(covered)
    assert errors["corrected"] / n <= LEVEL + _margin(n)
    assert errors["plain"] / n > plain
    assert np.mean((low <= truth) & (truth <= high)) >= 0.95 - _margin(n)


@pytest.mark.parametrize("trained_share", [1.0, 0.8])
def test_it_keeps_its_level_with_seeds_on_each_split_and_with_a_validation_set(trained_share: float) -> None:
    n, splits, errors = 2000, _splits(5, 2, 3), Counter[str]()
    for batch in cross_validated(LEARNERS["with seeds"], 5, 2, 3, n, trained_share=trained_share):
        for first, second in batch.scores.reshape(-1, 2, 30):
            errors["corrected"] += _errs(corrected_t(first, second, splits))
            errors["folds as seeds"] += _errs(paired_t(first, second))
    assert errors["corrected"] / n <= LEVEL + _margin(n)
    assert errors["folds as seeds"] / n > 0.2


@pytest.mark.parametrize(
    ("n_splits", "test_ratio", "drawn"), [(20, 0.1, 0.03), (20, 0.2, 0.04), (20, 0.5, 0.07), (20, None, 0.045)]
)
def test_the_ratio_of_distinct_examples_keeps_the_level_of_random_splits_and_bootstraps(
    n_splits: int, test_ratio: float | None, drawn: float
) -> None:
    n, errors, n_examples = 2000, Counter[str](), LEARNERS["stable"].n_examples
    for scores, n_test in resampled_splits(LEARNERS["stable"], n_splits, n, test_ratio):
        for (first, second), tested in zip(scores, n_test, strict=True):
            for name, ratio in (("distinct", mean_test_to_train(tested, n_examples)), ("drawn", tested.mean() / n_examples)):
                errors[name] += _errs(corrected_t(first, second, Splits(tuple(range(n_splits)), ratio)))
    assert errors["distinct"] / n <= LEVEL + _margin(n)
    assert errors["drawn"] / n > drawn


@pytest.mark.parametrize(("learner", "least", "most"), [("stable", 0.03, 0.07), ("small", 0.08, 0.13)])
def test_the_f_test_errs_too_often_with_few_examples_and_the_larger_p_does_not(learner: str, least: float, most: float) -> None:
    n, splits, errors = 2000, _splits(2, 5), Counter[str]()
    for batch in cross_validated(LEARNERS[learner], 2, 5, 1, n):
        for first, second in batch.scores[..., 0]:
            errors["F"] += _errs(five_by_two_f(first, second, splits))
            errors["deciding"] += _errs(deciding(split_tests(first, second, splits)))
    assert least < errors["F"] / n < most
    assert errors["deciding"] / n <= LEVEL


def _f1(right: Floats) -> Additive:
    """F1 of the first class."""
    true = np.broadcast_to(np.arange(right.shape[1]) % 2 == 0, right.shape).astype(np.float64)
    predicted = np.where(right > 0, true, 1 - true)
    parts = np.stack([true * predicted, true + predicted], axis=2)
    return Additive(parts, lambda sums: 2 * sums[..., 0] / np.maximum(sums[..., 1], 1))


@pytest.mark.parametrize(
    ("learner", "k", "repeats", "n_seeds", "scored"),
    [
        ("stable", 5, 3, 1, mean_over_examples),
        ("small", 5, 2, 1, mean_over_examples),
        ("small", 5, 5, 1, mean_over_examples),
        ("small", 5, 5, 1, _f1),
        ("unstable", 5, 10, 1, mean_over_examples),
        ("unstable", 2, 5, 1, mean_over_examples),
        ("with seeds", 5, 3, 3, mean_over_examples),
    ],
)
def test_the_pooled_bootstrap_covers_where_repeats_taken_for_seeds_do_not(
    learner: str, k: int, repeats: int, n_seeds: int, scored: Callable[[Floats], Additive]
) -> None:
    n, of_column, covered, widths = 750, np.repeat(np.arange(repeats), n_seeds).tolist(), Counter[str](), Counter[str]()
    seeds = count()
    for batch in cross_validated(LEARNERS[learner], k, repeats, n_seeds, n):
        for pooled, scores, seed in zip(batch.pooled, batch.scores, seeds, strict=False):
            first, second = resample_examples([scored(arm.reshape(len(of_column), -1)) for arm in pooled], seed, 300)
            found = pooled_bootstrap(first, second, of_column, bootstrap_seed=seed)
            as_seeds = multi_bootstrap(first, second, paired=True, bootstrap_seed=seed).both
            mean = split_mean((scores[0] - scores[1]).ravel(), _splits(k, repeats, n_seeds))
            assert found is not None
            assert found.both is not None
            assert found.examples is not None
            assert as_seeds is not None
            assert mean is not None
            ends = {"pooled": found.both[:2], "examples": found.examples[:2], "seeds": as_seeds[:2], "t": mean.interval()}
            covered.update({name: low <= 0 <= high for name, (low, high) in ends.items()})
            widths.update({name: high - low for name, (low, high) in ends.items()})  # type: ignore[arg-type]
    assert covered["pooled"] / n >= 0.94 - _margin(n)
    assert covered["examples"] / n < (0.97 if learner == "stable" else 0.92)
    assert covered["seeds"] < covered["pooled"] or repeats == 2
    assert (widths["pooled"] < widths["t"]) == (repeats > 2)


def test_seeds_on_one_split_underestimate_how_much_a_run_varies_and_components_do_not() -> None:
    n, splits, learner = 2000, _splits(5, 2, 3), LEARNERS["with seeds"]
    first_runs, within, total, as_independent = [], [], [], []
    truth = np.mean([batch.expected.mean() for batch in cross_validated(learner, 5, 2, 3, n)])
    for batch in cross_validated(learner, 5, 2, 3, n):
        first_runs += batch.scores[:, 0, 0, 0].tolist()
        for scores in batch.scores[:, 0]:
            found = split_components(scores.ravel(), splits)
            assert found is not None
            within.append(found.seeds.variance)
            total.append(found.split.variance + found.seeds.variance)
            low, high = t_interval(scores[0].tolist()) or (1.0, 0.0)
            as_independent.append(low <= truth <= high)
    varies = float(np.std(first_runs))
    assert 0.9 < np.mean(total) ** 0.5 / varies < 1.0, "splits of the same examples differ a little less than new data would"
    assert np.mean(within) ** 0.5 < 0.8 * varies
    assert np.mean(as_independent) < 0.9, "three seeds on one split"

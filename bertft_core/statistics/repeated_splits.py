"""Runs over repeated splits of one data set: cross-validation, repeated random splits, the bootstrap.

The splits share their examples, so their scores are not independent: the mean of many is known less precisely than the spread
over them suggests, and more splits of the same data do not change that (Nadeau & Bengio 2003, Machine Learning 52). Their
variance of the mean of J splits is (1/J + n_test/n_train) · s², with s² the variance over the splits (ddof 1). Seeds on the same
split are averaged first. For k folds n_test/n_train is 1/(k − 1) (Bouckaert & Frank 2004).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from bertft_core.statistics.estimated_mean import EstimatedMean
from bertft_core.statistics.rounding import Floats, has_spread
from bertft_core.statistics.shared_by_runs import Splits


def mean_test_to_train(n_test: Sequence[int], n_examples: int) -> float:
    """Mean over the splits of n_test/(n_examples − n_test): test examples to examples that are not tested.

    A run's validation examples count as training examples, because the run learns from them too. An example that a bootstrap
    draws twice counts once: of two splits that test a share q of the examples each, q of one's test examples are in the other
    test set, which is the correlation that the correction assumes. With the number of draws in place of the distinct examples
    the test errs too often (tests/unit/test_repeated_splits_simulations.py).
    Raises `ValueError` for no split, and for one that tests no example or all of them.
    """
    if not len(n_test) or min(n_test) < 1 or max(n_test) >= n_examples:
        raise ValueError(f"every split must test some of the {n_examples} examples and leave some, not {list(n_test)}")
    return float(np.mean([n / (n_examples - n) for n in n_test]))


def split_scores(values: ArrayLike, splits: Splits) -> Floats:
    """Mean of `values` [runs] over the runs of each split, in the order of the split numbers [splits]."""
    values = np.asarray(values, dtype=float)
    if len(values) != len(splits.of_run):
        raise ValueError(f"{len(values)} values cannot be those of {len(splits.of_run)} runs")
    _, of_run, n_runs = np.unique(splits.of_run, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(of_run, weights=values, minlength=len(n_runs)) / n_runs)


def split_mean(values: ArrayLike, splits: Splits, at: float | None = None) -> EstimatedMean | None:
    """Mean of `values` [runs], with Nadeau & Bengio's variance and J − 1 degrees of freedom.

    Where runs are missing, a split weighs as much as it has runs: Σ w² of these shares takes the place of 1/J.
    `at`: the size of the scores that `values` are differences of, relative to which rounding is judged. The variance is exactly
    0 where the splits score alike. None for fewer than two splits, and for scores whose squares overflow.
    """
    values = np.asarray(values, dtype=float)
    scores = split_scores(values, splits)
    if len(scores) < 2:
        return None
    with np.errstate(over="ignore"):
        squared = float(np.var(scores, ddof=1)) if has_spread(scores, at) else 0.0
    weights = np.unique(splits.of_run, return_counts=True)[1] / len(splits.of_run)
    variance = (float(weights @ weights) + splits.test_to_train) * squared
    return EstimatedMean(float(values.mean()), variance, len(scores) - 1.0) if math.isfinite(variance) else None

"""A pair of arms over splits of the same examples: tests and intervals that allow for what the splits share."""

from typing import Any, NamedTuple

import numpy as np

from bertft_core.config.split_designs import Folds
from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.evaluation.comparison.pair_estimates import resampled_difference
from bertft_core.evaluation.comparison.pooled_predictions import PooledScores, compare_pooled
from bertft_core.evaluation.comparison.seed_tests import Floats, SeedTestSettings, superior
from bertft_core.records.comparison_record import Disagreement, IntervalEstimate, NamedTest, SplitSample, SplitTest
from bertft_core.records.summary import shared_by
from bertft_core.statistics import disagreement
from bertft_core.statistics.repeated_splits import split_mean
from bertft_core.statistics.rounding import largest_of
from bertft_core.statistics.shared_by_runs import Splits
from bertft_core.statistics.split_tests import deciding, split_tests


class Pooled(NamedTuple):
    """The out-of-fold predictions of both arms, where the design has them."""

    arm: PooledScores
    baseline: PooledScores


def splits_of(arm: ComparedArm, seeds: tuple[int, ...]) -> Splits | None:
    """The splits of these runs; None where the study has no split design."""
    design, shared = arm.results.study.seeds.splits, shared_by([arm.seeds[seed] for seed in seeds])
    if design is None or not isinstance(shared, Splits):
        return None
    return shared._replace(folds=design.folds, repeats=design.repeats) if isinstance(design, Folds) else shared


def estimate_on_splits(
    scores: tuple[Floats, Floats], splits: Splits, pooled: Pooled | None, metric: str, settings: SeedTestSettings
) -> dict[str, Any]:
    """Every field of `PairComparison` that is a number of the scores [runs] of paired runs, and of their pooled predictions.

    The tests over splits alone decide: the one with the largest p-value. Tests and effect sizes over independent runs are left
    out.
    """
    arm, baseline = scores
    found = split_mean(arm - baseline, splits, at=largest_of(arm, baseline))
    chance = superior(arm, baseline, settings)
    tests = split_tests(arm, baseline, splits)
    decides = deciding(tests)
    test = None
    if found is not None and found.variance > 0 and decides is not None and decides.p is not None:
        low, high = found.interval(settings.level)
        test = SplitTest(name=decides.name, low=low, high=high, p=decides.p)
    numbers: dict[str, Any] = {
        "mean_arm": float(arm.mean()),
        "mean_baseline": float(baseline.mean()),
        "difference": float(arm.mean() - baseline.mean()),
        "superiority": IntervalEstimate(value=chance.value),
        "tests": tuple(NamedTest(name=test.name, statistic=test.statistic, p=test.p) for test in tests),
        "splits": SplitSample(
            n_splits=len(set(splits.of_run)),
            folds=splits.folds,
            repeats=splits.repeats,
            test_to_train=splits.test_to_train,
            test=test,
        ),
        "p_value": None if test is None else test.p,
        "p_of": None if test is None else "splits",
    }
    return numbers | ({} if pooled is None else _of_pooled(pooled, metric, settings))


def _of_pooled(pooled: Pooled, metric: str, settings: SeedTestSettings) -> dict[str, Any]:
    """What the pooled predictions add: intervals over repeats and examples, and who is right where."""
    found = compare_pooled(
        pooled.arm,
        pooled.baseline,
        metric,
        bootstrap_seed=settings.bootstrap_seed,
        level=settings.level,
        n_resamples=settings.n_resamples,
    )
    numbers: dict[str, Any] = {} if found is None else {
        "both": resampled_difference(found.both),
        "examples": resampled_difference(found.examples),
        "n_resamples": settings.n_resamples,
    }  # fmt: skip
    columns = sorted(pooled.arm.right.keys() & pooled.baseline.right.keys())
    if settings.is_headline and columns:
        right, other = (np.stack([of.right[column] for column in columns]) for of in pooled)
        shares, n = disagreement.shares(right, other, paired=True), right.shape[1]
        numbers["disagreement"] = Disagreement(
            both_right=n * shares.both_right,
            only_arm=n * shares.only_first,
            only_baseline=n * shares.only_second,
            both_wrong=n * shares.both_wrong,
            statistic=None,
            p=None,
        )
    return numbers

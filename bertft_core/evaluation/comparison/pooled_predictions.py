"""Out-of-fold predictions as one test set: every example is predicted once in each repeat, by the run whose fold it is in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bertft_core.config.split_designs import Folds
from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.evaluation.comparison.example_scores import MAX_NUMBERS, n_numbers, read_tuned
from bertft_core.metrics import METRICS
from bertft_core.metrics.per_example.statistic import PerExample, Ranking, Statistic, scored_of
from bertft_core.metrics.precision_recall import Bools, Ints
from bertft_core.statistics.multi_bootstrap import MultiBootstrap
from bertft_core.statistics.pooled_bootstrap import pooled_bootstrap
from bertft_core.statistics.resampling import resample_examples


class Column(NamedTuple):
    """One prediction of every example."""

    repeat: int
    seed: int


@dataclass(frozen=True)
class PooledScores:
    """What an arm predicts out of fold."""

    example_ids: tuple[str, ...]
    """Sorted."""
    unit: str
    statistics: Mapping[Column, Mapping[str, PerExample]]
    """Metric → per-example statistics of all folds together; columns that lack a fold are left out."""
    right: Mapping[Column, Bools]
    """Which examples are answered right [n]; empty where answers are not right or wrong."""


def pooled_scores(arm: ComparedArm, checkpoint: str) -> PooledScores | None:
    """The predictions of all folds of every repeat and seed; None in other designs, and where no column is complete.

    Whatever is tuned is tuned on each run's own validation set.
    """
    splits = arm.results.study.seeds.splits
    if not isinstance(splits, Folds):
        return None
    runs: dict[Column, list[int]] = {}
    for index, seed in sorted(arm.seeds.items()):
        if seed.split is not None:
            runs.setdefault(Column(seed.split.repeat, seed.split.seed), []).append(index)
    found = {column: _pooled(arm, of, checkpoint) for column, of in runs.items() if len(of) == splits.folds}
    read = {column: one for column, one in found.items() if one is not None}
    if not read:
        return None
    ids, unit = next(iter(read.values())).ids, METRICS[arm.results.study.head.kind].unit
    alike = {column: one for column, one in read.items() if one.ids == ids}
    right = {column: one.right for column, one in alike.items() if one.right is not None}
    return PooledScores(ids, unit, {column: one.statistics for column, one in alike.items()}, right)


class _Pooled(NamedTuple):
    ids: tuple[str, ...]
    statistics: Mapping[str, PerExample]
    right: Bools | None


def _pooled(arm: ComparedArm, indices: Sequence[int], checkpoint: str) -> _Pooled | None:
    """The runs of all folds together, in the order of the example ids; None where predictions are missing."""
    metrics, labels = METRICS[arm.results.study.head.kind], arm.results.card.labels
    read = [one for index in indices if (one := read_tuned(arm, index, checkpoint, "test")) is not None]
    if len(read) < len(indices):
        return None
    ids = np.array([name for table, _ in read for name in table["example_id"].to_pylist()])
    order = np.argsort(ids, kind="stable")
    of_runs = [metrics.statistics(table, labels, **tuned) for table, tuned in read]
    shared = [name for name in of_runs[0] if all(name in found for found in of_runs)]
    answered = [right for table, tuned in read if (right := metrics.right(table, labels, **tuned)) is not None]
    right = np.concatenate(answered)[order] if len(answered) == len(read) else None
    statistics = {name: _together([found[name] for found in of_runs], order) for name in shared}
    return _Pooled(tuple(ids[order].tolist()), statistics, right)


def _together(parts: Sequence[PerExample], order: Ints) -> PerExample:
    """The statistics of some runs' examples, put in order."""
    if isinstance(first := parts[0], Statistic):
        of_runs = [part.parts for part in parts if isinstance(part, Statistic)]
        return Statistic(tuple(np.concatenate(column)[order] for column in zip(*of_runs, strict=True)), first.of_sums)
    rankings = [part for part in parts if isinstance(part, Ranking)]
    averaged = [ranking.averaged_with for ranking in rankings if ranking.averaged_with is not None]
    return Ranking(
        np.concatenate([ranking.first for ranking in rankings])[order],
        np.concatenate([ranking.second for ranking in rankings])[order],
        _together(averaged, order) if averaged else None,  # type: ignore[arg-type]
    )


def compare_pooled(
    arm: PooledScores, baseline: PooledScores, metric: str, *, bootstrap_seed: int, level: float, n_resamples: int
) -> MultiBootstrap | None:
    """The pooled predictions of two arms on one metric; None where they cannot be resampled or have fewer than two repeats."""
    columns = sorted(column for column in arm.statistics if column in baseline.statistics)
    of_arms = [[of.statistics[c][metric] for c in columns if metric in of.statistics[c]] for of in (arm, baseline)]
    if arm.example_ids != baseline.example_ids or not columns or any(len(found) < len(columns) for found in of_arms):
        return None
    if sum(map(n_numbers, of_arms)) > MAX_NUMBERS:
        return None
    first, second = resample_examples([scored_of(found) for found in of_arms], bootstrap_seed, n_resamples)
    repeats = [column.repeat for column in columns]
    return pooled_bootstrap(first, second, repeats, bootstrap_seed=bootstrap_seed, level=level)

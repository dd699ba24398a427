"""Scores per example: stored predictions as per-example statistics, and the arms' scores on resampled examples.

Predictions are aligned by example id over the seeds of an arm and between arms. Arms with the same examples are resampled
together, in one pass; arms with other examples separately.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.evaluation.comparison.request import ComparisonPlan
from bertft_core.evaluation.run_scores import tuned_predictions
from bertft_core.metrics import METRICS
from bertft_core.metrics.per_example.statistic import PerExample, Statistic, scored_of
from bertft_core.metrics.precision_recall import Bools
from bertft_core.records.comparison_record import ComparisonNote
from bertft_core.seeds import derive_seed
from bertft_core.statistics.resampling import Draws, resample_examples

OTHER_RESAMPLES = 2000
"""Of metrics that are not the headline, where so many are precise enough."""
RESAMPLES_PER_TEST = 80
"""No p-value is below 2/(resamples + 1), and Holm's correction multiplies it by up to the number of tests."""
MAX_NUMBERS = 100_000_000
"""Per-example numbers of one metric over all arms and seeds that are held in memory: a few hundred MiB."""
MAX_RESAMPLED = 10_000_000
"""Resampled scores that are held in memory, where one metric does not have more: 80 MB."""


@dataclass(frozen=True)
class ExampleScores:
    """Per-example statistics of every seed of an arm."""

    example_ids: tuple[str, ...]
    unit: str
    """What one example is called."""
    statistics: Mapping[int, Mapping[str, PerExample]]
    """Seed index → metric → per-example statistic; rows as in `example_ids`."""
    right: Mapping[int, Bools]
    """Seed index → which examples are answered right [n]; empty where answers are not right or wrong."""

    def of_metric(self, metric: str, seeds: Sequence[int]) -> list[PerExample] | None:
        """One for each of the seeds; None where the metric cannot be resampled over examples."""
        found = [self.statistics[seed][metric] for seed in seeds if metric in self.statistics.get(seed, {})]
        return found if len(found) == len(seeds) else None


def read_example_scores(
    arm: ComparedArm, checkpoint: str, split: str, example_ids: Sequence[str] | None = None
) -> ExampleScores | ComparisonNote:
    """Read an arm's predictions, in the order of `example_ids` (by default that of its first seed).

    A note in their place where predictions are missing or a seed has different examples. Whatever is tuned is tuned on each
    run's own validation set and kept fixed.
    """
    kind, labels = arm.results.study.head.kind, arm.results.card.labels
    metrics, statistics, right = METRICS[kind], {}, {}
    wanted = None if example_ids is None else pa.chunked_array([pa.array(example_ids, pa.string())])
    for index in sorted(arm.seeds):
        read = read_tuned(arm, index, checkpoint, split)
        if read is None:
            return ComparisonNote(kind="predictions_missing", arm=arm.name, seed=index)
        table, tuned = read
        found = table["example_id"]
        wanted = found if wanted is None else wanted
        if not found.equals(wanted):
            rows = {name: row for row, name in enumerate(found.to_pylist())}
            names = wanted.to_pylist()
            if len(rows) != len(found) or rows.keys() != set(names) or len(names) != len(found):
                return ComparisonNote(kind="different_examples", arm=arm.name, seed=index)
            table = table.take(pa.array([rows[name] for name in names])).combine_chunks()
        statistics[index] = metrics.statistics(table, labels, **tuned)
        answered = metrics.right(table, labels, **tuned)
        if answered is not None:
            right[index] = answered
    return ExampleScores(() if wanted is None else tuple(wanted.to_pylist()), metrics.unit, statistics, right)


def read_tuned(arm: ComparedArm, index: int, checkpoint: str, split: str) -> tuple[pa.Table, dict[str, Any]] | None:
    """A run's predictions, and what was tuned for them on its validation set."""
    found = arm.record(index)
    return None if found is None else tuned_predictions(arm.results, found, checkpoint, split)


class _Batch(NamedTuple):
    """Metrics that are scored on one drawing of examples."""

    group: int
    """Of arms with the same examples."""
    n_resamples: int
    metrics: list[str]


class ExampleResampling:
    """Scores of every arm on resampled examples, for metrics that have per-example statistics.

    They are drawn when they are asked for, and only those of the last few metrics are held: ask metric by metric.
    """

    def __init__(self, plan: ComparisonPlan, arms: Sequence[ComparedArm], bootstrap_seed: int) -> None:
        """`arms`: those that are compared."""
        self._plan = plan
        self.notes: dict[ComparisonNote, None] = {}
        """Why examples are not resampled; each note once, in their order."""
        self._scores: dict[str, ExampleScores] = {}
        self._groups, self._seed = _by_examples(arms, plan.split), bootstrap_seed
        self._batches: dict[tuple[str, str], _Batch] = {}
        """Arm and metric → where it is drawn."""
        self._drawn: dict[int, tuple[_Batch, dict[tuple[str, str], Draws]]] = {}
        """Group → what was drawn of it last."""
        for i, group in enumerate(self._groups):
            self._read(group)
            self._plan_batches(i, group)

    def draws(self, arm: ComparedArm, metric: str, seeds: Sequence[int]) -> Draws:
        """The scores of these seeds [seeds], and on resampled examples [resamples, seeds]."""
        scores = arm.scores(self._plan.key_of(metric))
        batch = self._batches.get((arm.name, metric))
        if batch is None:
            return Draws(np.array([scores[seed] for seed in seeds]))
        return self._of_batch(batch)[arm.name, metric].of_seeds(np.searchsorted(sorted(arm.seeds), seeds))

    def right(self, arm: ComparedArm, seeds: Sequence[int]) -> list[Bools] | None:
        """Which examples each seed has right; None where that is not known."""
        found = self._scores.get(arm.name)
        return [found.right[seed] for seed in seeds] if found is not None and found.right else None

    def example_scores(self, arm: ComparedArm) -> ExampleScores | None:
        """What was read of an arm."""
        return self._scores.get(arm.name)

    def _read(self, group: Sequence[ComparedArm]) -> None:
        ids: Sequence[str] | None = None
        for arm in group:
            found = read_example_scores(arm, self._plan.checkpoint, self._plan.split, ids)
            if isinstance(found, ComparisonNote):
                self.notes[found] = None
            else:
                ids = found.example_ids
                self._scores[arm.name] = found

    def _plan_batches(self, i: int, group: Sequence[ComparedArm]) -> None:
        """Metrics with the same number of resamples are scored on one drawing of them, as many as fit into memory."""
        last: _Batch | None = None
        numbers = resampled = 0
        for metric in self._plan.metrics:
            statistics = self._statistics(metric, group)
            needed = sum(map(n_numbers, statistics.values()))
            if needed > MAX_NUMBERS:
                self.notes[ComparisonNote(kind="too_many_numbers", metric=metric)] = None
                continue
            n = self.n_resamples(metric)
            more = n * sum(map(len, statistics.values()))
            if last is None or last.n_resamples != n or numbers + needed > MAX_NUMBERS or resampled + more > MAX_RESAMPLED:
                last, numbers, resampled = _Batch(i, n, []), 0, 0
            last.metrics.append(metric)
            numbers, resampled = numbers + needed, resampled + more
            self._batches |= {(arm, metric): last for arm in statistics}

    def _of_batch(self, batch: _Batch) -> dict[tuple[str, str], Draws]:
        """Arm and metric → draws; those of the batch before are given up."""
        held = self._drawn.pop(batch.group, None)
        if held is None or held[0] is not batch:
            del held
            group = self._groups[batch.group]
            given = {(arm, metric): of for metric in batch.metrics for arm, of in self._statistics(metric, group).items()}
            seed = derive_seed(self._seed, "bootstrap", batch.group)
            drawn = resample_examples([scored_of(per_example) for per_example in given.values()], seed, batch.n_resamples)
            held = batch, dict(zip(given, drawn, strict=True))
        self._drawn[batch.group] = held
        return held[1]

    def _statistics(self, metric: str, group: Sequence[ComparedArm]) -> dict[str, list[PerExample]]:
        """Arm → per-example statistics of its seeds, of those arms for which all have the metric."""
        statistics = {}
        for arm in group:
            found = self._scores.get(arm.name)
            per_example = None if found is None else found.of_metric(metric, sorted(arm.seeds))
            if per_example is not None and len(arm.scores(self._plan.key_of(metric))) == len(arm.seeds):
                statistics[arm.name] = per_example
        return statistics

    def n_resamples(self, metric: str) -> int:
        """Of a metric: fewer of those that are not the headline."""
        plan = self._plan
        if metric == plan.metrics[0]:
            return plan.n_resamples
        return min(plan.n_resamples, max(OTHER_RESAMPLES, enough_resamples(len(plan.pairs) * len(plan.metrics))))


def enough_resamples(n_tests: int) -> int:
    """With so many, the smallest possible p-value stays well below 5 % after Holm's correction."""
    return RESAMPLES_PER_TEST * n_tests


def _by_examples(arms: Sequence[ComparedArm], split: str) -> list[list[ComparedArm]]:
    """Groups of arms that are scored on the same examples."""
    groups: dict[str, list[ComparedArm]] = {}
    for arm in arms:
        card = arm.results.card.splits.get(split)
        if card is not None:
            groups.setdefault(card.sha256, []).append(arm)
    return list(groups.values())


def n_numbers(seeds: Sequence[PerExample]) -> int:
    """How many per-example numbers these are, to be held in memory."""
    return sum(len(s.parts[0]) * s.width if isinstance(s, Statistic) else 2 * len(s.first) for s in seeds)

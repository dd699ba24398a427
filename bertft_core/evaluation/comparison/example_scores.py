"""The stored predictions of one side as what every example adds, aligned by example id over its seeds and with other sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.metrics import METRICS
from bertft_core.metrics.per_example.statistic import PerExample
from bertft_core.metrics.precision_recall import Bools


@dataclass(frozen=True)
class ExampleScores:
    """Every seed's answers to the same examples."""

    example_ids: tuple[str, ...]
    unit: str
    """What one example is called."""
    statistics: Mapping[int, Mapping[str, PerExample]]
    """Seed index → metric → what each example adds; rows as in `example_ids`."""
    right: Mapping[int, Bools]
    """Seed index → which examples are answered right [n]; empty where answers are not right or wrong."""

    def of_metric(self, metric: str, seeds: Sequence[int]) -> list[PerExample] | None:
        """One for each of the seeds; None where the metric cannot be resampled over examples."""
        found = [self.statistics[seed][metric] for seed in seeds if metric in self.statistics.get(seed, {})]
        return found if len(found) == len(seeds) else None


def read_example_scores(
    side: ComparedArm, checkpoint: str, split: str, example_ids: Sequence[str] | None = None
) -> ExampleScores | str:
    """Read a side's predictions, in the order of `example_ids` (by default of its first seed).

    A sentence's clause in their place where predictions are gone, or where the seeds were asked about other examples. What is
    tuned is tuned on each run's own validation set, and stays as it is.
    """
    kind, labels = side.results.study.head.kind, side.results.card.labels
    metrics, statistics, right = METRICS[kind], {}, {}
    for index in sorted(side.seeds):
        read = _read(side, index, checkpoint, split)
        if read is None:
            return f"the predictions of seed {index} of {side.name} are gone"
        table, tuned = read
        found = table["example_id"].to_pylist()
        example_ids = found if example_ids is None else example_ids
        if found != list(example_ids):
            places = {name: row for row, name in enumerate(found)}
            if len(places) != len(found) or places.keys() != set(example_ids) or len(example_ids) != len(found):
                return f"seed {index} of {side.name} was asked about other examples"
            table = table.take(pa.array([places[name] for name in example_ids])).combine_chunks()
        statistics[index] = metrics.statistics(table, labels, **tuned)
        answered = metrics.right(table, labels, **tuned)
        if answered is not None:
            right[index] = answered
    return ExampleScores(tuple(example_ids or ()), metrics.unit, statistics, right)


def _read(side: ComparedArm, index: int, checkpoint: str, split: str) -> tuple[pa.Table, dict[str, Any]] | None:
    """A run's predictions, and what was tuned for them on its validation set."""
    found = side.record(index)
    if found is None:
        return None
    record, run_dir = found
    table = stored_predictions(record, run_dir, checkpoint, split)
    validation = table if split == "validation" else stored_predictions(record, run_dir, checkpoint, "validation")
    if table is None or validation is None:
        return None
    return table, METRICS[record.spec.head.kind].tune(validation, record.spec.labels)

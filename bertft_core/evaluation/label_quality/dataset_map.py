"""Which examples are easy, ambiguous or hard to learn: mean and spread of the probability that runs give the true label.

Source: Swayamdipta et al. 2020, "Dataset cartography": confidence and variability over the evaluations of training, here over all
seeds of the best arm too. Splits that were predicted at the end of training only are mapped over seeds alone. In a split design
a part holds other examples in each run: all are mapped, each over the runs that had it in this part. The third with the
largest spread is ambiguous, as there; the others are easy or hard by their mean.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from bertft_core.evaluation.example_texts import ExampleTexts
from bertft_core.evaluation.label_quality.label_errors import judging_runs
from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.metrics import METRICS
from bertft_core.metrics.prediction_columns import ragged
from bertft_core.records import RunRecord
from bertft_core.records.not_computed import NotComputed
from bertft_core.storage.predictions import CONFIDENCES_FILE
from bertft_core.storage.study_results import StudyResults

Floats = NDArray[np.float64]
Region = Literal["easy", "ambiguous", "hard"]

AMBIGUOUS_SHARE = 1 / 3
"""Of the examples, those with the largest spread (Swayamdipta et al. 2020)."""
EASY_FROM = 0.5
"""Mean probability of the label."""
LEAST_VALUES = 3
"""Evaluations of all runs, below which a spread means nothing and an example is not mapped."""


@dataclass(frozen=True)
class DatasetMap:
    """The examples of one split, in the order in which they were first read; all sequences [examples]."""

    arm: str
    split: str
    n_runs: int
    n_of_each: tuple[int, int]
    """The fewest and the most runs that an example is mapped over: all, unless each run has examples of its own."""
    n_evaluations: int
    """At most, of one run; 1 where there is only the end of training."""
    example_ids: tuple[str, ...]
    means: Floats
    spreads: Floats
    """Standard deviations, divided by n as there: in [0, 0.5]."""
    regions: tuple[Region, ...]
    texts: ExampleTexts

    def ranked(self, region: Region) -> list[int]:
        """The examples of a region, the most typical first: the lowest mean if hard, the largest spread if ambiguous."""
        keys = {"easy": -self.means, "hard": self.means, "ambiguous": -self.spreads}[region]
        return [i for i in np.argsort(keys, kind="stable").tolist() if self.regions[i] == region]


def dataset_maps(results: StudyResults) -> tuple[DatasetMap, ...] | NotComputed:
    """A map of every split with enough predictions, train first where it was predicted too; or why there is none."""
    found = judging_runs(results)
    if isinstance(found, NotComputed):
        return found
    results, runs = found
    maps = [_map_of(results, runs, split) for split in ("train", *results.card.evaluated_splits)]
    return tuple(each for each in maps if each is not None)


def regions_of(means: Floats, spreads: Floats) -> tuple[Region, ...]:
    """The region of each example [n]; of equal spreads at the border the earlier example is ambiguous."""
    regions: list[Region] = ["easy" if mean >= EASY_FROM else "hard" for mean in means.tolist()]
    for i in np.argsort(-spreads, kind="stable")[: round(AMBIGUOUS_SHARE * len(means))].tolist():
        if spreads[i] > 0:
            regions[i] = "ambiguous"
    return tuple(regions)


def _map_of(results: StudyResults, runs: Sequence[RunRecord], split: str) -> DatasetMap | None:
    rows: dict[str, int] = {}
    n, sums, squares, n_of_each = (np.zeros(0) for _ in range(4))
    n_runs = n_evaluations = 0
    for ids, values in _confidences(results, runs, split):
        n_runs, n_evaluations = n_runs + 1, max(n_evaluations, values.shape[1])
        for name in ids:
            rows.setdefault(name, len(rows))
        totals = (n, sums, squares, n_of_each)
        n, sums, squares, n_of_each = (np.concatenate([each, np.zeros(len(rows) - len(each))]) for each in totals)
        places = np.array([rows[name] for name in ids])
        n[places] += values.shape[1]
        n_of_each[places] += 1
        sums[places] += values.sum(axis=1)
        squares[places] += np.square(values).sum(axis=1)
    enough = np.flatnonzero(n >= LEAST_VALUES)
    if not len(enough):
        return None
    means = sums[enough] / n[enough]
    spreads = np.sqrt(np.maximum(squares[enough] / n[enough] - means**2, 0.0))
    names = list(rows)
    return DatasetMap(
        arm=runs[0].spec.arm,
        split=split,
        n_runs=n_runs,
        n_of_each=(int(n_of_each[enough].min()), int(n_of_each[enough].max())),
        n_evaluations=n_evaluations,
        example_ids=tuple(names[i] for i in enough.tolist()),
        means=means,
        spreads=spreads,
        regions=regions_of(means, spreads),
        texts=ExampleTexts(results.card, split),
    )


def _confidences(results: StudyResults, runs: Sequence[RunRecord], split: str) -> Iterator[tuple[list[str], Floats]]:
    """For each run the ids and probabilities [examples, evaluations]: of every evaluation if all runs kept it, or of the end."""
    kept = [_kept(results, run, split) for run in runs]
    if all(each is not None for each in kept):
        yield from (each for each in kept if each is not None)
        return
    checkpoint = results.summary.headline_checkpoint
    for run in runs:
        table = stored_predictions(results, run, checkpoint, split)
        found = None if table is None else METRICS[run.spec.head.kind].confidence(table, run.spec.labels, run.spec.head)
        if table is not None and found is not None:
            yield table["example_id"].to_pylist(), found[:, None]


def _kept(results: StudyResults, run: RunRecord, split: str) -> tuple[list[str], Floats] | None:
    """What a run kept of its evaluations of a split; None where there is nothing that can be read."""
    try:
        table = results.predictions.read(results.run_dir_of(run.digest) / CONFIDENCES_FILE)
        table = table.filter(pc.equal(table["split"], split))
        values, lengths = ragged(table, "confidences")
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return table["example_id"].to_pylist(), values.astype(np.float64).reshape(len(lengths), -1)

"""What several runs that did not train on an example predict of its label, unit by unit: an example, or a word of a sentence.

Runs need not have predicted the same examples: of folds, each run has its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.evaluation.calibration import logits_and_labels
from bertft_core.metrics.prediction_columns import ragged
from bertft_core.metrics.seed_means import softmax
from bertft_core.records import RunSpec
from bertft_core.records.not_computed import NotComputed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class OutOfSample:
    """All units of the examples that any run has predicted, in the order in which they were first seen."""

    example_ids: tuple[str, ...]
    rows: Ints
    """Unit → its example."""
    words: Ints | None
    """Unit → the word of its sentence, counted from 0; None where an example has one label."""
    labels: Ints
    """[units]"""
    probabilities: Floats
    """Mean over the runs [units, classes]."""
    n_runs: Ints
    """How many runs have predicted a unit [units]."""


def why_none(spec: RunSpec) -> NotComputed | None:
    """Why runs like this one do not say how likely each label is; None where they do."""
    if spec.head.kind == "token_classification" and spec.head.crf:
        return NotComputed(reason="crf")
    if spec.head.kind not in ("classification", "token_classification"):
        return NotComputed(reason="no single label", detail=spec.head.kind)
    return None


def pooled(predictions: Iterable[tuple[RunSpec, pa.Table]]) -> OutOfSample | None:
    """The mean probabilities of runs that did not train on the examples of their tables; None without a table.

    The runs are of one arm, and of a head that `why_none` has nothing against.
    """
    pool: _Pool | None = None
    for spec, table in predictions:
        pool = pool or _Pool(len(spec.labels), of_words=spec.head.kind == "token_classification")
        found = logits_and_labels(spec, table)
        assert found is not None
        pool.add(table, softmax(found[0]), np.asarray(found[1], np.int64))
    return None if pool is None else pool.means()


class _Pool:
    """Sums over runs of the probabilities of each unit."""

    def __init__(self, n_classes: int, *, of_words: bool) -> None:
        self._of_words = of_words
        self._firsts: dict[str, int] = {}
        """Example → its first unit."""
        self._lengths: list[int] = []
        self._labels = np.zeros(0, np.int64)
        self._sums, self._n_runs = np.zeros((0, n_classes)), np.zeros(0, np.int64)

    def add(self, table: pa.Table, probabilities: Floats, labels: Ints) -> None:
        """Add one run: `probabilities` [units, classes] and `labels` [units] of all examples of its table in a row."""
        names = table["example_id"].to_pylist()
        lengths = ragged(table, "label")[1] if self._of_words else np.ones(len(names), np.int64)
        begins = np.cumsum(lengths) - lengths
        unknown = np.array([name not in self._firsts for name in names])
        self._extend([name for name in names if name not in self._firsts], lengths[unknown], labels[np.repeat(unknown, lengths)])
        firsts = np.array([self._firsts[name] for name in names], np.int64)
        units = np.repeat(firsts - begins, lengths) + np.arange(len(labels))
        self._sums[units] += probabilities
        self._n_runs[units] += 1

    def _extend(self, names: list[str], lengths: Ints, labels: Ints) -> None:
        firsts = len(self._labels) + np.cumsum(lengths) - lengths
        self._firsts |= dict(zip(names, firsts.tolist(), strict=True))
        self._lengths += lengths.tolist()
        self._labels = np.concatenate([self._labels, labels])
        self._sums = np.concatenate([self._sums, np.zeros((len(labels), self._sums.shape[1]))])
        self._n_runs = np.concatenate([self._n_runs, np.zeros(len(labels), np.int64)])

    def means(self) -> OutOfSample:
        rows = np.repeat(np.arange(len(self._lengths)), self._lengths)
        words = np.arange(len(rows)) - np.repeat(list(self._firsts.values()), self._lengths) if self._of_words else None
        return OutOfSample(
            example_ids=tuple(self._firsts),
            rows=rows,
            words=words,
            labels=self._labels,
            probabilities=self._sums / self._n_runs[:, None],
            n_runs=self._n_runs,
        )

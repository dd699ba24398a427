"""What the metrics of one task type consist of: scores, per-example statistics, and what several seeds answer together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.config.head_settings import AnyHead
from bertft_core.metrics.categories import Categories, Labels, Tuned
from bertft_core.metrics.per_example.statistic import PerExample, SeedsOnly
from bertft_core.metrics.precision_recall import Bools
from bertft_core.metrics.prediction_output import Answer, Names, SeedOutputs

Scores = dict[str, float]


Found = TypeVar("Found", covariant=True)


class OfPredictions(Protocol[Found]):
    """What follows from a table of predictions, with what was tuned on validation. Raises `ValueError` for bad predictions."""

    def __call__(self, predictions: pa.Table, labels: Labels, **tuned: float) -> Found: ...


class Output(Protocol):
    """One JSON object for each new example, from what the seeds gave; `names` are those that answers are chosen from."""

    def __call__(self, seeds: Sequence[SeedOutputs], names: Names, **tuned: float) -> list[Answer]: ...


def tune_nothing(validation: pa.Table, labels: Labels) -> Scores:
    """Nothing is tuned."""
    return {}


def _none(predictions: pa.Table, labels: Labels, **tuned: float) -> None:
    """Not defined for this task."""


OF_PROBABILITIES = ("log_loss", "ece", "average_precision_macro", "loss", "bits_per_piece", "perplexity")
"""Metrics of probabilities rather than of answers."""


@dataclass(frozen=True)
class TaskMetrics:
    """The parts of one task type. All tables of several seeds hold the same examples in the same order."""

    compute: OfPredictions[Scores]
    """Every metric."""
    majority: Callable[[pa.Table, pa.Table, Labels], Scores]
    """Scores of the constant predictor of a training set's targets on the targets of a split."""
    constant: str
    """What the constant predictor answers; see `constant_for`."""
    unit: str
    """What one example is called."""
    statistics: OfPredictions[dict[str, PerExample]]
    """Metric → per-example statistic, for every metric but those of `seeds_only`."""
    output: Output
    constant_shares: str | None = None
    """What it gives as probabilities, for the metrics of `OF_PROBABILITIES`."""
    tune: Callable[[pa.Table, Labels], Scores] = tune_nothing
    """What is tuned on the predictions of the validation set, and fixed for the others."""
    seeds_only: Mapping[str, SeedsOnly] = field(default_factory=dict)
    """Metric → why it cannot be resampled over examples."""
    right: OfPredictions[Bools | None] = _none
    """Which examples are answered right [n]; None where answers are not right or wrong."""
    confusion: OfPredictions[tuple[Labels, NDArray[np.int64]] | None] = _none
    """Names, and counts of [true, predicted]; None where they cannot be counted."""
    confidence: Callable[[pa.Table, Labels, AnyHead], NDArray[np.float64] | None] = lambda predictions, labels, head: None
    """The probability of the true label of each example [n]; None where no such probabilities are stored."""
    ensemble: Callable[[Sequence[pa.Table], Labels, AnyHead], pa.Table] | None = None
    """See `combined`; None where stored predictions do not allow it."""
    categories: Callable[[Sequence[pa.Table], Tuned, Labels, AnyHead], Categories] | None = None
    """See `categorised`."""

    def constant_for(self, metric: str) -> str:
        """What the constant predictor gives where this metric is scored."""
        return self.constant_shares if self.constant_shares and metric in OF_PROBABILITIES else self.constant

    def combined(self, tables: Sequence[pa.Table], labels: Labels, head: AnyHead) -> pa.Table:
        """The predictions of the ensemble of several seeds. Raises `ValueError` for tables of different examples."""
        assert self.ensemble is not None
        _refuse_different_examples(tables)
        return self.ensemble(tables, labels, head)

    def categorised(self, tables: Sequence[pa.Table], tuned: Tuned, labels: Labels, head: AnyHead) -> Categories | None:
        """The answers of several seeds; None where they are not categories. Raises `ValueError` for different examples."""
        _refuse_different_examples(tables)
        return None if self.categories is None else self.categories(tables, tuned, labels, head)


def _refuse_different_examples(tables: Sequence[pa.Table]) -> None:
    if any(not table["example_id"].equals(tables[0]["example_id"]) for table in tables[1:]):
        raise ValueError("the tables hold different examples")

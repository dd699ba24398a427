"""Per-example statistics of a classifier."""

import numpy as np
import pyarrow as pa

from bertft_core.metrics.classification import ECE_BINS, log_softmax
from bertft_core.metrics.per_example import count_metrics
from bertft_core.metrics.per_example.statistic import InColumn, PerExample, Statistic, column, mean_of, one_hot, ones
from bertft_core.metrics.precision_recall import Bools, Floats, f1_of
from bertft_core.metrics.prediction_columns import matrix, vector


def statistics(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> dict[str, PerExample]:
    """Every metric of `bertft_core.metrics.classification`, and `brier` (Brier 1950; of two classes one alone, 0 to 1)."""
    logits, gold = matrix(predictions, "logits", len(labels)).astype(np.float64), vector(predictions, "label")
    answers, log_p = logits.argmax(axis=1), log_softmax(logits)
    right = answers == gold
    true, predicted = one_hot(gold, len(labels)), one_hot(answers, len(labels))
    hits = true & predicted
    found: dict[str, PerExample] = {
        "accuracy": mean_of(right),
        "f1_macro": Statistic((hits, true, predicted), count_metrics.f1_macro),
        "f1_weighted": Statistic((hits, true, predicted), count_metrics.f1_weighted),
        "mcc": Statistic((column(right), true, predicted), count_metrics.mcc),
        "log_loss": mean_of(-log_p[np.arange(len(gold)), gold]),
        "ece": Statistic((_gaps(np.exp(log_p.max(axis=1)), right), column(ones(len(gold)))), _ece),
        "brier": mean_of(np.square(np.exp(log_p) - true).sum(axis=1) / (2 if len(labels) == 2 else 1)),
    }
    if len(labels) == 2:
        found["f1_binary"] = count_metrics.f1_of_name(hits, true, predicted, 1)
        parts = (hits[:, 1:], true[:, 1:], predicted[:, 1:], column(right), column(ones(len(gold))))
        found["accuracy_and_f1"] = Statistic(parts, _accuracy_and_f1)
    return found | count_metrics.of_names(labels, hits, true, predicted)


def right(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> Bools:
    """Which examples are answered right [n]."""
    return matrix(predictions, "logits", len(labels)).argmax(axis=1) == vector(predictions, "label")


def _gaps(confidence: Floats, right: Bools) -> InColumn:
    """Right or not, minus confidence, in the column of the example's bin; bins as in `expected_calibration_error`."""
    edges = np.arange(1, ECE_BINS + 1) / ECE_BINS
    bins = np.minimum(np.searchsorted(edges, confidence, side="left"), ECE_BINS - 1)
    return InColumn(right - confidence, bins.astype(np.uint8), ECE_BINS)


def _ece(gaps: Floats, n: Floats) -> Floats:
    return np.abs(gaps).sum(axis=-1) / n[..., 0]


def _accuracy_and_f1(hits: Floats, true: Floats, predicted: Floats, right: Floats, n: Floats) -> Floats:
    return (right[..., 0] / n[..., 0] + f1_of(hits[..., 0], true[..., 0], predicted[..., 0])) / 2

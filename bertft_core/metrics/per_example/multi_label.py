"""Per-example statistics of a multi-label classifier."""

import numpy as np
import pyarrow as pa

from bertft_core.metrics.per_example import count_metrics
from bertft_core.metrics.per_example.statistic import PerExample, SeedsOnly, Statistic, mean_of
from bertft_core.metrics.precision_recall import Bools, f1_of
from bertft_core.metrics.prediction_columns import matrix

SEEDS_ONLY: dict[str, SeedsOnly] = {"average_precision_macro": "ranks examples"}


def statistics(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> dict[str, PerExample]:
    """Every metric of `bertft_core.metrics.multi_label` but those of `SEEDS_ONLY`."""
    logits = matrix(predictions, "logits", len(labels)).astype(np.float64)
    on, answers = matrix(predictions, "label", len(labels)).astype(bool), logits > 0
    hits, true, predicted = answers & on, on, answers
    found: dict[str, PerExample] = {
        "accuracy": mean_of((answers == on).all(axis=1)),
        "f1_micro": count_metrics.micro(hits, true, predicted),
        "f1_macro": Statistic((hits, true, predicted), count_metrics.f1_macro),
        "f1_weighted": Statistic((hits, true, predicted), count_metrics.f1_weighted),
        "f1_samples": mean_of(f1_of(hits.sum(axis=1), true.sum(axis=1), predicted.sum(axis=1))),
        "hamming_loss": mean_of((answers != on).mean(axis=1)),
        "log_loss": mean_of((np.logaddexp(0.0, logits) - on * logits).mean(axis=1)),
    }
    return found | count_metrics.of_names(labels, hits, true, predicted)


def right(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> Bools:
    """Which examples have every label right [n]."""
    return ((matrix(predictions, "logits", len(labels)) > 0) == matrix(predictions, "label", len(labels))).all(axis=1)

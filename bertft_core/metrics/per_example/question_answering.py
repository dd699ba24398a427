"""Per-question statistics of exact match and F1, at the null threshold tuned on validation."""

import numpy as np
import pyarrow as pa

from bertft_core.metrics.per_example.statistic import PerExample, SeedsOnly, mean_of, quotient
from bertft_core.metrics.precision_recall import Bools
from bertft_core.metrics.prediction_columns import column, list_lengths
from bertft_core.metrics.question_answering import per_question

SEEDS_ONLY: dict[str, SeedsOnly] = {
    "best_exact": "tuned on the split",
    "best_f1": "tuned on the split",
    "official_best_exact": "tuned on the split",
    "official_best_f1": "tuned on the split",
    "null_threshold": "no score",
}


def statistics(
    predictions: pa.Table, labels: tuple[str, ...] = (), *, null_threshold: float = 0.0, **tuned: float
) -> dict[str, PerExample]:
    """Every metric of `bertft_core.metrics.question_answering` but those of `SEEDS_ONLY`."""
    scored = per_question(predictions, null_threshold)
    found: dict[str, PerExample] = {name: mean_of(values) for name, values in scored.items()}
    if predictions.column("null_score").null_count == predictions.num_rows:
        return found
    has_answer = list_lengths(column(predictions, "answers")) > 0
    for group, rows in (("has_ans_", has_answer), ("no_ans_", ~has_answer)):
        if rows.any():
            found |= {f"{group}{name}": quotient(values * rows, rows.astype(np.float64)) for name, values in scored.items()}
    return found


def right(predictions: pa.Table, labels: tuple[str, ...] = (), *, null_threshold: float = 0.0, **tuned: float) -> Bools:
    """Which questions are answered exactly [n]."""
    return per_question(predictions, null_threshold)["exact"] == 1.0

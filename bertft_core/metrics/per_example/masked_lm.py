"""Per-text statistics of loss and accuracy over masked tokens; a text with more masked tokens counts more."""

import math

import numpy as np
import pyarrow as pa

from bertft_core.metrics.per_example.statistic import PerExample, Statistic, column, quotient, quotient_of_sums
from bertft_core.metrics.precision_recall import Floats
from bertft_core.metrics.prediction_columns import vector


def statistics(predictions: pa.Table, labels: tuple[str, ...] = (), **tuned: float) -> dict[str, PerExample]:
    """Every metric of `bertft_core.metrics.masked_lm`."""
    n_masked, n_correct, loss = (vector(predictions, name).astype(np.float64) for name in ("n_masked", "n_correct", "loss"))
    parts = (column(loss), column(n_masked))
    return {
        "loss": quotient(loss, n_masked),
        "accuracy": quotient(n_correct, n_masked),
        "bits_per_piece": quotient(loss / math.log(2), n_masked),
        "perplexity": Statistic(parts, _perplexity),
    }


def _perplexity(loss: Floats, n_masked: Floats) -> Floats:
    return np.exp(quotient_of_sums(loss, n_masked))

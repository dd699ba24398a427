"""Scores of masked language modelling, per masked token."""

import math

import numpy as np
import pyarrow as pa

from bertft_core.metrics.precision_recall import Ints
from bertft_core.metrics.prediction_columns import ragged, vector


def compute(predictions: pa.Table, labels: tuple[str, ...] = (), **tuned: float) -> dict[str, float]:
    """Every metric of one table of predictions with the columns `n_masked`, `n_correct` and `loss` (a sum in nats).

    Every masked token counts the same, whichever example it is in: `loss` in nats per token, `perplexity` = exp(loss), absent
    where it overflows, `bits_per_piece`, and `accuracy`.
    Raises `ValueError` for no masked tokens, impossible counts, and losses that are NaN, infinite or negative.
    """
    n_masked, n_correct, loss = (vector(predictions, name) for name in ("n_masked", "n_correct", "loss"))
    if (n_correct < 0).any() or (n_correct > n_masked).any():
        raise ValueError("n_correct must lie in 0 … n_masked")
    if not np.isfinite(loss).all() or (loss < 0).any():
        raise ValueError("losses hold NaN, infinity or a negative number")
    return _scores(float(loss.sum()), int(n_correct.sum()), int(n_masked.sum()))


def majority(train: pa.Table, split: pa.Table, labels: tuple[str, ...] = ()) -> dict[str, float]:
    """The metrics of the unigram distribution of the masked training tokens (column `targets`).

    Counts are smoothed by one over the tokens in either table, and one more for all others, so the loss is finite. Its
    answer is the most frequent training token, the lowest id among equals.
    """
    known, targets = ragged(train, "targets")[0], ragged(split, "targets")[0]
    if len(known) == 0:
        raise ValueError("no masked tokens to count in the training set")
    tokens = np.union1d(known, targets)
    counts, wanted = _counted(known, tokens), _counted(targets, tokens)
    log_probabilities = np.log((counts + 1) / (len(known) + len(tokens) + 1))
    return _scores(float(-(wanted * log_probabilities).sum()), int(wanted[counts.argmax()]), len(targets))


def _scores(loss: float, n_correct: int, n_masked: int) -> dict[str, float]:
    if n_masked == 0:
        raise ValueError("no masked tokens to score")
    mean = loss / n_masked
    scores = {"loss": mean, "accuracy": n_correct / n_masked, "bits_per_piece": mean / math.log(2)}
    try:
        return scores | {"perplexity": math.exp(mean)}
    except OverflowError:
        return scores


def _counted(ids: Ints, tokens: Ints) -> Ints:
    """How often each of the sorted `tokens` occurs in `ids`."""
    return np.bincount(np.searchsorted(tokens, ids), minlength=len(tokens))

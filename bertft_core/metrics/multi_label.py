"""Scores of a multi-label classifier: each label is on where its logit is above 0, a probability above one half."""

import numpy as np
import pyarrow as pa

from bertft_core.metrics.precision_recall import Bools, Floats, by_name, f1_of, ratio
from bertft_core.metrics.prediction_columns import matrix


def compute(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> dict[str, float]:
    """Every metric of one table of predictions with the columns `label` (0 or 1) and `logits`; see `scores`."""
    return scores(matrix(predictions, "logits", len(labels)), matrix(predictions, "label", len(labels)), labels)


def scores(logits: Floats, targets: Floats, labels: tuple[str, ...]) -> dict[str, float]:
    """Every metric of `logits` [n, labels] before the sigmoid and `targets` [n, labels] of 0 and 1.

    `accuracy` is the share of examples with every label right. Precision, recall and F1 of 0/0 are 0 as in scikit-learn, so
    an example without labels and predictions counts 0 in `f1_samples`; `f1_macro` is the mean over all labels, seen or
    not. `average_precision_macro` is the mean over the labels that some example has, and absent when there is none.
    `log_loss` is the mean binary cross-entropy over all cells, in nats.
    Raises `ValueError` for no examples, shapes that do not fit, NaN or infinite logits and targets other than 0 and 1.
    """
    logits, on = _checked(logits, targets, len(labels))
    answers = logits > 0
    both = answers & on
    hits, true, predicted = both.sum(axis=0), on.sum(axis=0), answers.sum(axis=0)
    f1 = f1_of(hits, true, predicted)
    found = {
        "accuracy": (answers == on).all(axis=1).mean(),
        "f1_micro": f1_of(hits.sum(), true.sum(), predicted.sum()),
        "f1_macro": f1.mean(),
        "f1_weighted": ratio((f1 * true).sum(), true.sum()),
        "f1_samples": f1_of(both.sum(axis=1), on.sum(axis=1), answers.sum(axis=1)).mean(),
        "hamming_loss": (answers != on).mean(),
        "log_loss": (np.logaddexp(0.0, logits) - on * logits).mean(),
    }
    ranked = [average_precision(logits[:, i], on[:, i]) for i in np.flatnonzero(true)]
    if ranked:
        found["average_precision_macro"] = np.mean(ranked)
    return {name: float(value) for name, value in found.items()} | by_name(labels, hits, true, predicted)


def average_precision(logits: Floats, on: Bools) -> float:
    """Σ (rise of recall) · precision over the distinct scores from the highest down, as scikit-learn defines it.

    `logits` [n], `on` [n] with at least one true. Equal scores enter together, so their order in the table has no effect.
    """
    order = np.argsort(-logits, kind="stable")
    last = np.append(np.flatnonzero(np.diff(logits[order])), len(order) - 1)
    hits = np.cumsum(on[order])[last]
    return float((np.diff(hits, prepend=0) / hits[-1] * hits / (last + 1)).sum())


def majority(train: pa.Table, split: pa.Table, labels: tuple[str, ...]) -> dict[str, float]:
    """The metrics of the constant predictor: a label is on where more than half of the training examples have it.

    Its logits are the log-odds of the training shares, which are kept half an example away from 0 and 1 to be finite.
    """
    known = matrix(train, "label", len(labels))
    least = 0.5 / (len(known) + 1)
    shares = known.mean(axis=0).clip(least, 1 - least)
    targets = matrix(split, "label", len(labels))
    return scores(np.tile(np.log(shares / (1 - shares)), (len(targets), 1)), targets, labels)


def _checked(logits: Floats, targets: Floats, n_labels: int) -> tuple[Floats, Bools]:
    logits, targets = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    if logits.ndim != 2 or logits.shape[1] != n_labels or targets.shape != logits.shape:
        raise ValueError(f"logits {logits.shape} and targets {targets.shape} do not fit {n_labels} labels")
    if logits.size == 0:
        raise ValueError("no examples to score")
    if not np.isin(targets, (0, 1)).all():
        raise ValueError("targets must be 0 or 1")
    if not np.isfinite(logits).all():
        raise ValueError("logits hold NaN or infinity")
    return logits, targets.astype(bool)

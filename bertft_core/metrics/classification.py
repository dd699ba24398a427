"""Scores of a classifier from its logits; every one is a plain float."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.precision_recall import Bools, Floats, Ints, by_name, f1_of
from bertft_core.metrics.prediction_columns import matrix, vector

ECE_BINS = 15


def compute(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> dict[str, float]:
    """Every metric of stored predictions (`label` and `logits` of each example); see `scores`."""
    return scores(matrix(predictions, "logits", len(labels)), vector(predictions, "label"), labels)


def majority(train: pa.Table, split: pa.Table, labels: tuple[str, ...]) -> dict[str, float]:
    """What the constant predictor of the training set's class shares scores on a split; see `majority_scores`."""
    return majority_scores(vector(train, "label"), vector(split, "label"), labels)


def confusion(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The labels, and the counts of [true, predicted]."""
    return labels, confusion_counts(matrix(predictions, "logits", len(labels)), vector(predictions, "label"), len(labels))


def scores(logits: Floats, labels: Ints, label_names: tuple[str, ...]) -> dict[str, float]:
    """Every metric of one set of predictions.

    `logits` [n, classes] before the softmax, `labels` [n] in 0 … classes - 1. The prediction is the largest logit, the lowest
    index among equals. Log-loss is the mean in nats. Precision, recall and F1 of 0/0 are 0 and MCC of a constant is 0, as in
    scikit-learn; macro F1 is the mean over all `label_names`, present or not. With
    two labels also `f1_binary`, that of the second, and its mean with accuracy (as GLUE reports MRPC).
    Raises `ValueError` for no examples, shapes that do not fit, NaN or infinite logits, and labels out of range.
    """
    logits, labels = _checked(logits, labels, len(label_names))
    answers = logits.argmax(axis=1)
    counts = _counts(labels, answers, len(label_names))
    log_probabilities = log_softmax(logits)
    n, hits = int(counts.sum()), counts.diagonal()
    true, predicted = counts.sum(axis=1), counts.sum(axis=0)
    f1 = f1_of(hits, true, predicted)
    found = {
        "accuracy": hits.sum() / n,
        "f1_macro": f1.mean(),
        "f1_weighted": (f1 * true).sum() / n,
        "mcc": _mcc(hits, true, predicted),
        "log_loss": -log_probabilities[np.arange(n), labels].mean(),
        "ece": expected_calibration_error(np.exp(log_probabilities.max(axis=1)), answers == labels),
    }
    if len(label_names) == 2:
        found |= {"f1_binary": f1[1], "accuracy_and_f1": (found["accuracy"] + f1[1]) / 2}
    return {name: float(value) for name, value in found.items()} | by_name(label_names, hits, true, predicted)


def majority_scores(train_labels: Ints, labels: Ints, label_names: tuple[str, ...]) -> dict[str, float]:
    """The metrics of the constant predictor that answers with the class shares of the training set.

    Its answer is the most frequent training label, the lowest index among equals. Log-loss is absent where a label to be
    scored has no training example, since it would be infinite.
    """
    shares = np.bincount(np.asarray(train_labels), minlength=len(label_names)) / len(train_labels)
    with np.errstate(divide="ignore"):
        logits = np.tile(np.log(shares), (len(labels), 1))
    found = scores(logits, labels, label_names)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def confusion_counts(logits: Floats, labels: Ints, n_classes: int) -> NDArray[np.int64]:
    """Counts [true class, predicted class], int64 [n_classes, n_classes]."""
    logits, labels = _checked(logits, labels, n_classes)
    return _counts(labels, logits.argmax(axis=1), n_classes)


def _counts(labels: Ints, answers: Ints, n_classes: int) -> NDArray[np.int64]:
    cells = labels.astype(np.int64) * n_classes + answers
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def expected_calibration_error(confidence: Floats, correct: Bools, n_bins: int = ECE_BINS) -> float:
    """Σ over bins of (share of examples) · |accuracy - mean confidence|, in [0, 1].

    Equal-width bins, right-closed ((k-1)/n, k/n], as in Guo et al. 2017; `confidence` [n] in [0, 1], `correct` [n].
    """
    edges = np.arange(1, n_bins + 1) / n_bins
    bins = np.minimum(np.searchsorted(edges, confidence, side="left"), n_bins - 1)
    gaps = np.bincount(bins, weights=np.asarray(correct, float) - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _checked(logits: Floats, labels: Ints, n_classes: int) -> tuple[Floats, Ints]:
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if logits.ndim != 2 or logits.shape[1] != n_classes or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {logits.shape} and labels {labels.shape} do not fit {n_classes} classes")
    if len(labels) == 0:
        raise ValueError("no examples to score")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(f"labels must lie in 0 … {n_classes - 1}, found {labels.min()} … {labels.max()}")
    if not np.isfinite(logits.max(axis=1)).all():
        raise ValueError("logits hold NaN or infinity")
    return logits, labels


def log_softmax(logits: Floats) -> Floats:
    """Log-probabilities [n, classes]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _mcc(hits: Ints, true: Ints, predicted: Ints) -> float:
    """Matthews correlation for any number of classes: Gorodkin 2004, R_K from the margins of the confusion matrix."""
    n = float(true.sum())
    true, predicted = true.astype(float), predicted.astype(float)
    spread = (n**2 - (predicted**2).sum()) * (n**2 - (true**2).sum())
    return float((hits.sum() * n - (true * predicted).sum()) / np.sqrt(spread)) if spread > 0 else 0.0

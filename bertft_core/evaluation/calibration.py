"""Calibration: whether confident predictions are right as often as they claim, and the best single temperature.

ECE is that of `bertft_core.metrics.classification`: 15 equal-width bins, right-closed, as in Guo et al. 2017. Desai & Durrett
2020 use 10 left-closed bins, so their numbers differ.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.classification import ECE_BINS, expected_calibration_error, log_softmax
from bertft_core.metrics.prediction_columns import ragged, vector
from bertft_core.metrics.seed_means import logits_of, softmax, words_of
from bertft_core.records import RunSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 10.0
"""The range that Desai & Durrett 2020 search."""
HALVINGS = 60


class ReliabilityPoint(NamedTuple):
    """One bin of a reliability diagram, all numbers in [0, 1]."""

    confidence: float
    """Mean over its examples."""
    right: float
    """Share of them that is right."""
    weight: float
    """Share of all examples that is in this bin."""


def logits_and_labels(spec: RunSpec, predictions: pa.Table) -> tuple[Floats, Ints] | None:
    """Logits [n, classes] and labels [n] of texts or of words in a row.

    None for heads without probabilities of which one is the answer, such as regression, or tags under a CRF.
    """
    if spec.head.kind == "classification":
        return logits_of(predictions, len(spec.labels)), vector(predictions, "label")
    if spec.head.kind == "token_classification" and not spec.head.crf:
        return words_of(predictions, "logits"), ragged(predictions, "label")[0]
    return None


def confidences(logits: Floats, labels: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """The highest probability of each text or word [n], and whether that prediction is right [n]."""
    probabilities = softmax(np.asarray(logits, np.float64))
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def reliability_points(confidence: Floats, right: NDArray[np.bool_], n_bins: int = ECE_BINS) -> list[ReliabilityPoint]:
    """One point for every bin with examples; `confidence` [n] in [0, 1], `right` [n].

    The bins are those of our ECE, which is the mean distance of these points from the diagonal, weighted by their examples.
    """
    bins = np.minimum(np.searchsorted(np.arange(1, n_bins + 1) / n_bins, confidence, side="left"), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    full = counts > 0
    means = np.bincount(bins, weights=confidence, minlength=n_bins)[full] / counts[full]
    shares = np.bincount(bins, weights=np.asarray(right, float), minlength=n_bins)[full] / counts[full]
    rows = zip(means.tolist(), shares.tolist(), (counts[full] / len(bins)).tolist(), strict=True)
    return [ReliabilityPoint(*row) for row in rows]


def calibration_scores(logits: Floats, labels: Ints) -> dict[str, float]:
    """`ece`, `brier`, `nll` (nats) and the mean confidence of right and of wrong predictions, absent where there are none.

    `logits` [n, classes], `labels` [n].
    """
    confidence, right = confidences(logits, labels)
    found = {
        "ece": expected_calibration_error(confidence, right),
        "brier": brier(softmax(np.asarray(logits, np.float64)), labels),
        "nll": negative_log_likelihood(logits, labels),
    }
    for name, chosen in (("confidence_right", right), ("confidence_wrong", ~right)):
        if chosen.any():
            found[name] = float(confidence[chosen].mean())
    return found


def brier(probabilities: Floats, labels: Ints) -> float:
    """Mean squared error of the probabilities [n, classes], summed over the classes (Brier 1950): 0 to 2.

    With two classes only one is counted, 0 to 1, as is usual and as in scikit-learn.
    """
    errors = probabilities - (np.arange(probabilities.shape[1]) == np.asarray(labels)[:, None])
    return float(np.square(errors).sum(axis=1).mean()) / (2 if probabilities.shape[1] == 2 else 1)


def negative_log_likelihood(logits: Floats, labels: Ints) -> float:
    """Mean of -log p(label) in nats."""
    return float(-log_softmax(np.asarray(logits, np.float64))[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: Floats, labels: Ints) -> float | None:
    """The T in 0.01 … 10 with the least negative log-likelihood of `logits / T` (Guo et al. 2017, section 4.2).

    The negative log-likelihood is convex in 1 / T, so bisection finds the zero of its slope. None where every prediction is
    right: then it falls without limit as T goes to 0, and there is nothing to fit.
    """
    logits = np.asarray(logits, np.float64)
    if (logits.argmax(axis=1) == labels).all():
        return None
    of_labels = logits[np.arange(len(labels)), labels]

    def slope(inverse: float) -> float:
        return float(((softmax(logits * inverse) * logits).sum(axis=1) - of_labels).mean())

    low, high = 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE
    if slope(low) >= 0:
        return HIGHEST_TEMPERATURE
    if slope(high) <= 0:
        return LOWEST_TEMPERATURE
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / (low * high) ** 0.5

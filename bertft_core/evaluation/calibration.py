"""Whether a classifier's probabilities are as often right as they say, and the one temperature that mends them best.

ECE is that of `bertft_core.metrics.classification`: 15 equal-width bins, right-closed, as in Guo et al. 2017. Desai & Durrett
2020 use 10 left-closed bins, so their numbers are others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bertft_core.metrics.classification import expected_calibration_error
from bertft_core.metrics.seed_means import softmax

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 10.0
"""The range that Desai & Durrett 2020 search."""
HALVINGS = 60


def calibration_scores(logits: Floats, labels: Ints) -> dict[str, float]:
    """`ece`, `brier`, `nll` (nats) and the mean confidence on right and on wrong answers, absent where there are none.

    `logits` [n, classes], `labels` [n].
    """
    probabilities = softmax(np.asarray(logits, np.float64))
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    found = {
        "ece": expected_calibration_error(confidence, right),
        "brier": brier(probabilities, labels),
        "nll": negative_log_likelihood(logits, labels),
    }
    for name, chosen in (("confidence_right", right), ("confidence_wrong", ~right)):
        if chosen.any():
            found[name] = float(confidence[chosen].mean())
    return found


def brier(probabilities: Floats, labels: Ints) -> float:
    """Mean squared error of the probabilities [n, classes], summed over the classes (Brier 1950): 0 to 2.

    Of two classes one alone is counted, 0 to 1, as is usual; scikit-learn does the same.
    """
    errors = probabilities - (np.arange(probabilities.shape[1]) == np.asarray(labels)[:, None])
    return float(np.square(errors).sum(axis=1).mean()) / (2 if probabilities.shape[1] == 2 else 1)


def negative_log_likelihood(logits: Floats, labels: Ints) -> float:
    """Mean of -log p(label) in nats."""
    shifted = np.float64(logits) - np.max(logits, axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: Floats, labels: Ints) -> float | None:
    """The T in 0.01 … 10 with the least negative log-likelihood of `logits / T` (Guo et al. 2017, section 4.2).

    The likelihood is convex in 1 / T, so its slope is halved to 0. None where every answer is right: then it falls without end
    as T goes to 0, and there is nothing to fit.
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

"""How sure the answers of a run are, and how often answers that are so sure are right: what reliability diagrams draw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.classification import ECE_BINS
from bertft_core.metrics.prediction_columns import ragged, vector
from bertft_core.metrics.seed_means import logits_of, softmax, words_of
from bertft_core.records import RunSpec

Floats = NDArray[np.float64]


class ReliabilityPoint(NamedTuple):
    """One bin of a reliability diagram, all numbers in [0, 1]."""

    confidence: float
    """Mean over its examples."""
    right: float
    """Share of them that is right."""
    weight: float
    """Share of all examples that is in this bin."""


def confidences(spec: RunSpec, predictions: pa.Table) -> tuple[Floats, NDArray[np.bool_]] | None:
    """The highest probability of each text or word [n], and whether that answer is right [n].

    None for heads that store no probabilities of which one is the answer, such as regression, or tags under a CRF.
    """
    if spec.head.kind == "classification":
        logits, labels = logits_of(predictions, len(spec.labels)), vector(predictions, "label")
    elif spec.head.kind == "token_classification" and not spec.head.crf:
        logits, labels = words_of(predictions, "logits"), ragged(predictions, "label")[0]
    else:
        return None
    probabilities = softmax(np.asarray(logits, np.float64))
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def reliability_points(confidence: Floats, right: NDArray[np.bool_], n_bins: int = ECE_BINS) -> list[ReliabilityPoint]:
    """One point for every bin with examples; `confidence` [n] in [0, 1], `right` [n].

    Equal-width bins, right-closed ((k-1)/n, k/n], as in Guo et al. 2017 and in our ECE: that is the mean distance of these
    points from the diagonal, weighted by the examples in them.
    """
    bins = np.minimum(np.searchsorted(np.arange(1, n_bins + 1) / n_bins, confidence, side="left"), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    full = counts > 0
    means = np.bincount(bins, weights=confidence, minlength=n_bins)[full] / counts[full]
    shares = np.bincount(bins, weights=np.asarray(right, float), minlength=n_bins)[full] / counts[full]
    rows = zip(means.tolist(), shares.tolist(), (counts[full] / len(bins)).tolist(), strict=True)
    return [ReliabilityPoint(*row) for row in rows]

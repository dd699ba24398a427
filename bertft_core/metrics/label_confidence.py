"""How likely a model finds the true label of each example: the number whose course over training a dataset map shows."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.config.head_settings import AnyHead
from bertft_core.metrics.prediction_columns import ragged, vector
from bertft_core.metrics.seed_means import logits_of, softmax, words_of

Floats = NDArray[np.float64]


def classification(predictions: pa.Table, labels: tuple[str, ...], head: AnyHead) -> Floats:
    """The probability of each example's label [n]."""
    probabilities = softmax(logits_of(predictions, len(labels)))
    return probabilities[np.arange(len(probabilities)), vector(predictions, "label")]


def token_classification(predictions: pa.Table, labels: tuple[str, ...], head: AnyHead) -> Floats | None:
    """The mean over the words of a sentence of the probability of the tag [n]; None under a CRF, which gives logits only."""
    if getattr(head, "crf", False):
        return None
    tags, lengths = ragged(predictions, "label")
    probabilities = softmax(words_of(predictions, "logits"))
    sentences = np.repeat(np.arange(len(lengths)), lengths)
    sums = np.bincount(sentences, weights=probabilities[np.arange(len(tags)), tags], minlength=len(lengths))
    return sums / np.maximum(lengths, 1)

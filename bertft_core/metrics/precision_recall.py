"""Precision, recall and F1 from counts; 0/0 is 0 everywhere, as in scikit-learn and seqeval."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Bools = NDArray[np.bool_]


def ratio(numerator: Any, denominator: Any) -> Floats:
    """Element by element in float64, 0 where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


def f1_of(hits: Any, true: Any, predicted: Any) -> Floats:
    """2 · hits / (true + predicted), which is the harmonic mean of precision and recall."""
    return ratio(2 * np.asarray(hits), np.asarray(true) + np.asarray(predicted))


def by_name(names: tuple[str, ...], hits: Ints, true: Ints, predicted: Ints) -> dict[str, float]:
    """`precision/NAME`, `recall/NAME` and `f1/NAME` of every name; all three counts are [names]."""
    precision, recall, f1 = ratio(hits, predicted), ratio(hits, true), f1_of(hits, true, predicted)
    scores: dict[str, float] = {}
    for i, name in enumerate(names):
        scores |= {f"precision/{name}": float(precision[i]), f"recall/{name}": float(recall[i]), f"f1/{name}": float(f1[i])}
    return scores


def averages(hits: Ints, true: Ints, predicted: Ints) -> dict[str, float]:
    """`f1_macro`, the mean over names seen in truth or prediction, and `f1_weighted` by true counts; 0.0 where nothing is."""
    f1, seen = f1_of(hits, true, predicted), (true + predicted) > 0
    return {"f1_macro": float(ratio(f1[seen].sum(), seen.sum())), "f1_weighted": float(ratio((f1 * true).sum(), true.sum()))}

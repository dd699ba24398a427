"""Precision, recall, F1 and Matthews correlation from the hits, true and predicted counts of each example by name."""

import numpy as np

from bertft_core.metrics.per_example.statistic import Statistic, column, quotient
from bertft_core.metrics.precision_recall import Bools, Floats, f1_of, ratio

Added = Floats | Bools
"""Counts of the examples [n, names]."""


def micro(hits: Added, true: Added, predicted: Added) -> Statistic:
    """F1 over all names together; each [n, names]."""
    return Statistic(tuple(column(counts.sum(axis=1)) for counts in (hits, true, predicted)), _f1_of_one)


def of_names(names: tuple[str, ...], hits: Added, true: Added, predicted: Added) -> dict[str, Statistic]:
    """`precision/NAME`, `recall/NAME` and `f1/NAME` of every name; each [n, names]."""
    found: dict[str, Statistic] = {}
    for i, name in enumerate(names):
        found[f"precision/{name}"] = quotient(hits[:, i], predicted[:, i])
        found[f"recall/{name}"] = quotient(hits[:, i], true[:, i])
        found[f"f1/{name}"] = f1_of_name(hits, true, predicted, i)
    return found


def f1_of_name(hits: Added, true: Added, predicted: Added, i: int) -> Statistic:
    """F1 of one name."""
    return Statistic((hits[:, i : i + 1], true[:, i : i + 1], predicted[:, i : i + 1]), _f1_of_one)


def _f1_of_one(hits: Floats, true: Floats, predicted: Floats) -> Floats:
    return f1_of(hits[..., 0], true[..., 0], predicted[..., 0])


def f1_macro(hits: Floats, true: Floats, predicted: Floats) -> Floats:
    """Mean F1 over all names of sums [..., names], seen or not: [...]."""
    return f1_of(hits, true, predicted).mean(axis=-1)


def f1_macro_of_seen(hits: Floats, true: Floats, predicted: Floats) -> Floats:
    """Mean F1 over the names that sums [..., names] hold in truth or prediction: [...]."""
    seen = (true + predicted) > 0
    return ratio((f1_of(hits, true, predicted) * seen).sum(axis=-1), seen.sum(axis=-1))


def f1_weighted(hits: Floats, true: Floats, predicted: Floats) -> Floats:
    """F1 of the names, weighed by true counts, of sums [..., names]: [...]."""
    return ratio((f1_of(hits, true, predicted) * true).sum(axis=-1), true.sum(axis=-1))


def mcc(hits: Floats, true: Floats, predicted: Floats) -> Floats:
    """Matthews correlation (Gorodkin 2004) of sums: all hits [..., 1], true and predicted [..., names]; 0 for a constant."""
    n = true.sum(axis=-1)
    spread = (n**2 - (predicted**2).sum(axis=-1)) * (n**2 - (true**2).sum(axis=-1))
    above = hits[..., 0] * n - (true * predicted).sum(axis=-1)
    return np.divide(above, np.sqrt(np.maximum(spread, 0)), out=np.zeros(above.shape), where=spread > 0)

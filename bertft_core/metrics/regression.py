"""Scores of a predicted number: correlations and errors; a constant predictor correlates 0, never NaN."""

import numpy as np
import pyarrow as pa

from bertft_core.metrics.precision_recall import Floats
from bertft_core.metrics.prediction_columns import vector


def compute(predictions: pa.Table, labels: tuple[str, ...] = (), **tuned: float) -> dict[str, float]:
    """Every metric of one table of predictions with the columns `label` and `predicted`; see `scores`."""
    return scores(vector(predictions, "predicted"), vector(predictions, "label"))


def scores(predicted: Floats, true: Floats) -> dict[str, float]:
    """Every metric of `predicted` [n] and `true` [n].

    `pearson_and_spearman` is the mean of the two, as in early GLUE tables for STS-B. `mse` is in squared units of the
    label, `rmse` and `mae` in its units. `r2` is absent for constant labels, as is what overflows.
    Raises `ValueError` for no examples, lengths that differ, and NaN or infinite numbers.
    """
    predicted, true = np.asarray(predicted, dtype=np.float64), np.asarray(true, dtype=np.float64)
    if predicted.ndim != 1 or predicted.shape != true.shape or len(true) == 0:
        raise ValueError(f"cannot score predictions {predicted.shape} of labels {true.shape}")
    if not (np.isfinite(predicted).all() and np.isfinite(true).all()):
        raise ValueError("predictions or labels hold NaN or infinity")
    linear, ranked = pearson(predicted, true), spearman(predicted, true)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        errors = predicted - true
        mse, spread = np.square(errors).mean(), np.square(true - true.mean()).mean()
        found = {
            "pearson": linear,
            "spearman": ranked,
            "pearson_and_spearman": (linear + ranked) / 2,
            "mse": mse,
            "rmse": np.sqrt(mse),
            "mae": np.abs(errors).mean(),
            "r2": np.nan if _is_constant(true) else 1 - mse / spread,
        }
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def pearson(first: Floats, second: Floats) -> float:
    """Linear correlation of two arrays [n], in [-1, 1]; 0.0 when one of them is constant."""
    if _is_constant(first) or _is_constant(second):
        return 0.0
    first, second = _unit(first), _unit(second)
    return float(np.clip(first @ second, -1.0, 1.0))


def spearman(first: Floats, second: Floats) -> float:
    """Pearson correlation of the ranks of two arrays [n]; 0.0 when one of them is constant."""
    return pearson(mean_ranks(first), mean_ranks(second))


def mean_ranks(values: Floats) -> Floats:
    """Ranks from 1 [n]; equal values share the mean of their ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]


def majority(train: pa.Table, split: pa.Table, labels: tuple[str, ...] = ()) -> dict[str, float]:
    """The metrics of the constant predictor that answers with the mean of the training labels."""
    true = vector(split, "label")
    return scores(np.full(len(true), np.asarray(vector(train, "label"), dtype=np.float64).mean()), true)


def _is_constant(values: Floats) -> bool:
    return bool(values.min() == values.max())


def _unit(values: Floats) -> Floats:
    """Centred and of length 1; scaled first, so that neither huge nor tiny numbers leave the range of a float."""
    values = values / np.abs(values).max()
    centred = values - values.mean()
    centred = centred / np.abs(centred).max()
    return centred / np.sqrt(centred @ centred)

"""Per-example statistics of errors and correlations of a predicted number."""

import numpy as np
import pyarrow as pa

from bertft_core.metrics.per_example.statistic import PerExample, Ranking, Statistic, column, mean_of
from bertft_core.metrics.precision_recall import Floats, ratio
from bertft_core.metrics.prediction_columns import vector

NO_SPREAD = 1e-12
"""A variance under this share of the mean square is that of a constant, up to rounding."""


def statistics(predictions: pa.Table, labels: tuple[str, ...] = (), **tuned: float) -> dict[str, PerExample]:
    """Every metric of `bertft_core.metrics.regression`; a sample in which one side is constant correlates 0, its `r2` is 0."""
    predicted, true = (vector(predictions, name).astype(np.float64) for name in ("predicted", "label"))
    errors, ones = predicted - true, np.ones(len(true))
    centred = true - true.mean() if np.ptp(true) else np.zeros(len(true))
    moments = np.stack([ones, centred, centred**2, errors**2], axis=1)
    pearson = Statistic((_moments(predicted, true),), _pearson)
    return {
        "pearson": pearson,
        "spearman": Ranking(predicted, true),
        "pearson_and_spearman": Ranking(predicted, true, pearson),
        "mse": mean_of(errors**2),
        "rmse": Statistic((column(errors**2), column(ones)), _rmse),
        "mae": mean_of(np.abs(errors)),
        "r2": Statistic((moments,), _r2),
    }


def _moments(first: Floats, second: Floats) -> Floats:
    """1, x, y, x², y² and xy [n, 6] of both columns [n], centred and of size 1 so that the sums keep their digits."""
    x, y = _scaled(first), _scaled(second)
    return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)


def _scaled(values: Floats) -> Floats:
    if values.min() == values.max():
        return np.zeros(len(values))
    values = values / np.abs(values).max()
    centred = values - values.mean()
    return centred / np.abs(centred).max()


def _pearson(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread_x, spread_y = _spread(n, x, xx), _spread(n, y, yy)
    return np.clip(ratio(xy / n - x * y / n**2, np.sqrt(spread_x * spread_y)), -1.0, 1.0)


def _spread(n: Floats, x: Floats, xx: Floats) -> Floats:
    """Variance [...] of sums, 0 where it is rounding alone."""
    spread = xx / n - (x / n) ** 2
    return np.where(spread > NO_SPREAD * xx / n, spread, 0.0)


def _rmse(squares: Floats, n: Floats) -> Floats:
    return np.sqrt(squares[..., 0] / n[..., 0])


def _r2(sums: Floats) -> Floats:
    n, y, yy, squares = np.moveaxis(sums, -1, 0)
    spread = _spread(n, y, yy)
    return np.where(spread > 0, 1 - ratio(squares / n, spread), 0.0)

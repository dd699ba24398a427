"""Intervals of a mean over seeds: the t-interval, its version for runs that share seeds, and the percentile bootstrap."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.complete_grid import GridCell
from bertft_core.statistics.crossed_mean import crossed_mean
from bertft_core.statistics.repeated_splits import Splits, split_mean
from bertft_core.statistics.row_blocks import row_blocks
from bertft_core.statistics.sequential_intervals import t_half_width

LEVEL = 0.95
N_RESAMPLES = 10_000

Interval = tuple[float, float]
UNBOUNDED: Interval = (-math.inf, math.inf)


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """mean ± t(n - 1) · sd / √n with the sd of ddof 1; None for fewer than two values.

    Exact for normal scores. Zero width when all values are equal.
    """
    half_width = t_half_width(values, level)
    if half_width is None:
        return None
    mean = float(np.mean(values))
    return mean - half_width, mean + half_width


def interval_of_mean(
    values: Sequence[float], shared: Sequence[GridCell] | Splits | None, level: float = LEVEL, bounds: Interval = UNBOUNDED
) -> Interval | None:
    """The t-interval of independent runs or, with what they have `shared`, of runs that are not.

    Cells of a crossed design share seeds (`statistics.crossed_mean`), splits share examples (`statistics.repeated_splits`).

    It is cut at the `bounds` of the scores. A mean is never beyond them, so the interval covers it exactly as often as before,
    which near a bound is less often than promised. An interval on the logit scale may cover more often there with three or five
    seeds, and is wider; with ten it covers less often (tests/unit/test_coverage_simulations.py).
    """
    if shared is None:
        found = t_interval(values, level)
    else:
        mean = split_mean(values, shared) if isinstance(shared, Splits) else crossed_mean(values, shared)
        found = None if mean is None else mean.interval(level)
    return None if found is None else (max(found[0], bounds[0]), min(found[1], bounds[1]))


def bootstrap_interval(values: Sequence[float], bootstrap_seed: int, level: float = LEVEL) -> Interval | None:
    """Percentile interval (linear quantiles) of the mean over resampled seeds; None for fewer than two values.

    Too narrow for a handful of seeds; use at least 10 values, and read it beside the t-interval.
    """
    return None if len(values) < 2 else _bootstrapped(tuple(values), bootstrap_seed, level)


@lru_cache(maxsize=4096)
def _bootstrapped(values: tuple[float, ...], bootstrap_seed: int, level: float) -> Interval:
    """Cached, because runs that end at their best epoch have every score twice, and a report is made of the same scores again."""
    scores, drawn, means = np.asarray(values, dtype=float), _resamples(len(values), bootstrap_seed), np.empty(N_RESAMPLES)
    for rows in row_blocks(*drawn.shape):
        np.take(scores, drawn[rows]).mean(axis=1, out=means[rows])
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


@lru_cache(maxsize=2)
def _resamples(n: int, bootstrap_seed: int) -> NDArray[np.int64]:
    """Drawn seed positions [resamples, n]; cached for all metrics of an arm, with and without collapsed runs."""
    return np.random.default_rng(bootstrap_seed).integers(0, n, size=(N_RESAMPLES, n))

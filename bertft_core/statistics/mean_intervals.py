"""Intervals of a mean over seeds: the t-interval, its version for runs that share seeds, and the percentile bootstrap."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bertft_core.statistics.crossed_mean import crossed_mean
from bertft_core.statistics.repeated_splits import split_mean
from bertft_core.statistics.row_blocks import row_blocks
from bertft_core.statistics.sequential_intervals import t_half_width
from bertft_core.statistics.shared_by_runs import GridCell, Splits

LEVEL = 0.95
N_RESAMPLES = 10_000
AT_ONCE = 4
"""Samples that are resampled together: their values of one run lie side by side."""

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
    return None if len(values) < 2 else bootstrap_intervals((tuple(values),), bootstrap_seed, level)[0]


@lru_cache(maxsize=64)
def bootstrap_intervals(
    samples: tuple[tuple[float, ...], ...], bootstrap_seed: int, level: float = LEVEL
) -> tuple[Interval, ...]:
    """`bootstrap_interval` of several samples of one size, of at least two values: all metrics of an arm are resampled alike.

    Cached, because a report is made of the same scores again.
    """
    columns = [np.array(samples[i : i + AT_ONCE]).T.copy() for i in range(0, len(samples), AT_ONCE)]
    rng, means = np.random.default_rng(bootstrap_seed), np.empty((len(samples), N_RESAMPLES))
    for rows in row_blocks(N_RESAMPLES, AT_ONCE * len(samples[0])):
        drawn = rng.integers(0, len(samples[0]), size=(rows.stop - rows.start, len(samples[0])))
        for i, values in enumerate(columns):
            taken = np.take(values, drawn, axis=0)  # several scores of a run at a time
            for j in range(taken.shape[2]):
                taken[:, :, j].mean(axis=1, out=means[AT_ONCE * i + j, rows])
    ends = (np.quantile(of_sample, [0.5 - level / 2, 0.5 + level / 2]) for of_sample in means)
    return tuple((float(low), float(high)) for low, high in ends)

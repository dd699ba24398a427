"""Dispersion: the sd, its interval, the unbiased sd, the interquartile mean and quantiles."""

import math
from collections.abc import Sequence

import numpy as np

from bertft_core.statistics.distributions import chdtri, gammaln

QUANTILES = (0.05, 0.25, 0.75, 0.95)


def sample_sd(values: Sequence[float]) -> float | None:
    """The sd of `values` [n] with ddof 1; None for fewer than two, and exactly 0 for equal ones, whose mean is rounded."""
    if len(values) < 2:
        return None
    return 0.0 if min(values) == max(values) else float(np.std(values, ddof=1))


def sd_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Equal-tailed chi-square interval of the sd: s·√((n−1)/χ²) with the quantiles of n − 1 degrees of freedom.

    `values` [n]. Exact only for normal values (Cochran 1934); too narrow for heavy tails. None for fewer than two values; zero
    width when all are equal.
    """
    sd = sample_sd(values)
    return None if sd is None else interval_of_sd(sd, len(values), level)


def interval_of_sd(sd: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """As `sd_interval`, for `n` ≥ 2 values with this sd."""
    upper, lower = (float(chdtri(n - 1, tail)) for tail in (0.5 - level / 2, 0.5 + level / 2))
    return sd * math.sqrt((n - 1) / upper), sd * math.sqrt((n - 1) / lower)


def c4(n: int) -> float:
    """E[s]/σ of n normal values: √(2/(n−1)) · Γ(n/2)/Γ((n−1)/2) (Holtzman 1950; n ≥ 2)."""
    return math.sqrt(2 / (n - 1)) * math.exp(float(gammaln(n / 2) - gammaln((n - 1) / 2)))


def unbiased_sd(values: Sequence[float]) -> float | None:
    """s/c4(n), whose mean is σ for normal values; None for fewer than two values."""
    sd = sample_sd(values)
    return None if sd is None else sd / c4(len(values))


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half of the distribution of `values` [n] (Agarwal 2021, "IQM"); the plain mean for n ≤ 3.

    A quarter of the weight is trimmed at each end, also if n/4 is not an integer: a value across a quartile keeps the part of
    its weight that is inside. (`scipy.stats.trim_mean` drops only ⌊n/4⌋ whole values.) With three values or fewer nothing is
    trimmed. Raises `ValueError` for no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values")
    if n <= 3:
        return float(np.mean(values))
    edges = np.arange(n + 1) / n
    weights = np.clip(edges[1:], 0.25, 0.75) - np.clip(edges[:-1], 0.25, 0.75)
    return float(np.sort(np.asarray(values, dtype=float)) @ weights * 2)


def quantiles(values: Sequence[float], at: Sequence[float] = QUANTILES) -> dict[str, float]:
    """`at`, written as in `0.05` → quantile, linear between the sorted values (Hyndman & Fan 1996, type 7)."""
    return {f"{q:g}": float(found) for q, found in zip(at, np.quantile(values, at), strict=True)}

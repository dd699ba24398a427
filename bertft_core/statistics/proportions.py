"""How sure a share of runs is, such as the share that collapsed, and whether two shares differ."""

from __future__ import annotations

import math

from scipy.special import betaincinv, ndtri
from scipy.stats import fisher_exact


def wilson_interval(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a binomial share, without continuity correction (Wilson 1927). Raises `ValueError` for no runs.

    Its coverage is `level` on average over shares; for a share near 0 or 1 and few runs it can be some points below.
    """
    _check(count, n)
    z, share = float(ndtri(0.5 + level / 2)), count / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (0.0 if count == 0 else centre - half), (1.0 if count == n else centre + half)


def clopper_pearson_interval(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a binomial share (Clopper & Pearson 1934): it covers at least `level` of the time, mostly more."""
    _check(count, n)
    tail = 0.5 - level / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return low, high


def fisher_p(count_a: int, n_a: int, count_b: int, n_b: int) -> float:
    """Two-sided p-value that two shares are equal, exact given both sums (Fisher 1935)."""
    _check(count_a, n_a)
    _check(count_b, n_b)
    return float(fisher_exact([[count_a, n_a - count_a], [count_b, n_b - count_b]]).pvalue)


def _check(count: int, n: int) -> None:
    if n < 1 or not 0 <= count <= n:
        raise ValueError(f"{count} of {n} is no share")

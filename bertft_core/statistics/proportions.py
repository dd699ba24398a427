"""Intervals of a share of runs, such as the share that collapsed."""

import math

from scipy.special import betaincinv, ndtri


def wilson_interval(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a binomial share, without continuity correction (Wilson 1927). Raises `ValueError` without runs.

    Its coverage is `level` on average over shares; near 0 or 1 with few runs it can be some points lower.
    """
    _check(count, n)
    z, share = float(ndtri(0.5 + level / 2)), count / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (0.0 if count == 0 else centre - half), (1.0 if count == n else centre + half)


def clopper_pearson_interval(count: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a binomial share (Clopper & Pearson 1934), with coverage of at least `level`; a tie counts half."""
    _check(count, n)
    tail = 0.5 - level / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return low, high


def _check(count: float, n: int) -> None:
    if n < 1 or not 0 <= count <= n:
        raise ValueError(f"{count} of {n} is not a share")

"""Performance profile: the share of runs that score more than τ, with the bootstrap band of every point, exactly."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrik


class PerformanceProfile(NamedTuple):
    """A falling staircase over the scores; all arrays [points], τ rising."""

    tau: NDArray[np.float64]
    """In the unit of the scores."""
    share: NDArray[np.float64]
    """Of runs with a score strictly greater than τ."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def performance_profile(scores: Sequence[float], taus: Sequence[float], level: float = 0.95) -> PerformanceProfile:
    """F(τ) = mean over runs of 1[score > τ] (Agarwal et al. 2021; Dolan & Moré 2002), for scores [runs] and taus [points].

    The band is the pointwise percentile bootstrap over runs. A resample of n runs, k of which are above τ, holds a
    Binomial(n, k/n) number of runs above it, so the percentiles are those of this distribution: no resampling, no random
    numbers. Where all runs or none are above τ the band has no width, as with any bootstrap; that does not mean certainty.
    Raises `ValueError` without scores, or when `level` is not inside (0, 1).
    """
    values, at = np.sort(np.asarray(scores, np.float64)), np.asarray(taus, np.float64)
    if values.size == 0:
        raise ValueError("a performance profile needs at least one score")
    if not 0 < level < 1:
        raise ValueError(f"level must lie inside (0, 1), found {level}")
    n = values.size
    share = (n - np.searchsorted(values, at, side="right")) / n
    low, high = (_binomial_quantiles(q, n, share) / n for q in ((1 - level) / 2, (1 + level) / 2))
    return PerformanceProfile(at, share, low, high)


def _binomial_quantiles(q: float, n: int, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest k with P(at most k of n) ≥ q, for each share [points]."""
    found, varies = np.rint(share * n), (share > 0) & (share < 1)
    p = share[varies]
    k = np.clip(np.ceil(bdtrik(q, n, p)), 0, n)
    below = np.maximum(k - 1, 0)
    found[varies] = np.where(bdtr(below, n, p) >= q, below, k)
    return found


def profile_points(scores: Sequence[Sequence[float]], n_points: int = 200) -> list[float]:
    """Where profiles of several arms change: every score and as little before it, or evenly spaced points when there are many.

    `scores` are one sequence of runs for each arm; the points cover all of them with a little room. Empty without scores.
    """
    values = np.unique(np.asarray([value for arm in scores for value in arm], np.float64))
    if values.size == 0:
        return []
    room = (values[-1] - values[0]) * 0.05 or 0.01
    if 2 * values.size > n_points:
        return [float(v) for v in np.linspace(values[0] - room, values[-1] + room, n_points)]
    steps = [step for value in values for step in (np.nextafter(value, -np.inf), value)]
    return [float(v) for v in (values[0] - room, *steps, values[-1] + room)]

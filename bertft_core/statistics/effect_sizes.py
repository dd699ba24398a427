"""Effect sizes: a difference in units of the sd over seeds, or as how often one arm scores higher."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from bertft_core.statistics.rounding import Scores, differences_of, has_spread, largest_of


def cohens_d(first: Scores, second: Scores) -> float | None:
    """Difference of means by the pooled sd, √(((n−1)s² + (m−1)t²)/(n+m−2)) (Cohen 1988); None where that is 0 or undefined."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    degrees = len(a) + len(b) - 2
    if degrees < 1 or not len(a) or not len(b):
        return None
    pooled = ((len(a) - 1) * _variance(a) + (len(b) - 1) * _variance(b)) / degrees
    return float((a.mean() - b.mean()) / pooled**0.5) if pooled > 0 else None


def hedges_g(first: Scores, second: Scores) -> float | None:
    """Cohen's d corrected for its bias with few seeds: d · Γ(ν/2) / (√(ν/2) Γ((ν−1)/2)), ν = n + m − 2 (Hedges 1981; ν ≥ 2)."""
    d, degrees = cohens_d(first, second), len(first) + len(second) - 2
    if d is None or degrees < 2:
        return None
    return d * float(np.exp(gammaln(degrees / 2) - gammaln((degrees - 1) / 2))) / (degrees / 2) ** 0.5


def paired_d(first: Scores, second: Scores) -> float | None:
    """Mean over sd of the paired differences, "d_z" (Cohen 1988); None for fewer than two or without spread."""
    differences = differences_of(first, second)
    spread = _variance(differences, at=largest_of(first, second))
    return float(differences.mean() / spread**0.5) if spread > 0 else None


def cliffs_delta(first: Scores, second: Scores) -> float:
    """Share of pairs in which the first is higher minus the share in which it is lower (Cliff 1993)."""
    return float(
        np.sign(differences_of(np.asarray(first, dtype=float)[:, None], np.asarray(second, dtype=float)[None, :])).mean()
    )


def _variance(values: NDArray[np.float64], at: float | None = None) -> float:
    """With ddof 1; 0 for one value, and where all values are equal up to rounding."""
    return float(np.var(values, ddof=1)) if len(values) > 1 and has_spread(values, at) else 0.0

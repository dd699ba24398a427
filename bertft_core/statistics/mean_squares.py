"""Variances from mean squares: estimates, F tests, and intervals of a mean square and of a difference of two."""

import math
from typing import NamedTuple

from scipy.special import chdtri, fdtrc, fdtri


class MeanSquare(NamedTuple):
    """A sum of squares over its degrees of freedom."""

    value: float
    df: int


class VarianceEstimate(NamedTuple):
    """One variance component, in units of the metric squared."""

    source: str
    square: MeanSquare
    raw: float
    """(MS − MS of the error) / runs per level; may be negative."""
    low: float
    high: float
    """Interval of the variance, cut at 0."""
    f: float | None
    f_p: float | None

    @property
    def variance(self) -> float:
        """`raw`, or 0 if negative."""
        return max(self.raw, 0.0)


def residual(source: str, square: MeanSquare, level: float = 0.95) -> VarianceEstimate:
    """A mean square that is a variance itself: chi-square interval, no test."""
    low, high = square.value * square.df / _chi2_upper(square.df, level), square.value * square.df / _chi2_lower(square.df, level)
    return VarianceEstimate(source, square, square.value, low, high, None, None)


def component(source: str, square: MeanSquare, error: MeanSquare, n_per_level: float, level: float = 0.95) -> VarianceEstimate:
    """(MS − MS_error) / n_per_level, with F = MS/MS_error and the interval of `difference_interval`.

    F is absent when the error is 0.
    """
    low, high = difference_interval(square, error, level)
    f = square.value / error.value if error.value > 0 else None
    f_p = None if f is None else float(fdtrc(square.df, error.df, f))
    raw = (square.value - error.value) / n_per_level
    return VarianceEstimate(source, square, raw, max(low / n_per_level, 0.0), max(high / n_per_level, 0.0), f, f_p)


def difference_interval(first: MeanSquare, second: MeanSquare, level: float = 0.95) -> tuple[float, float]:
    """Interval of E[first] − E[second] of two independent mean squares: modified large sample.

    Ting, Burdick, Graybill, Jeyaratnam & Lu 1990; Burdick & Graybill 1992, Confidence Intervals on Variance Components, ch. 3.
    """
    (s1, n1), (s2, n2) = first, second
    g1, g2 = (1 - n / _chi2_upper(n, level) for n in (n1, n2))
    h1, h2 = (n / _chi2_lower(n, level) - 1 for n in (n1, n2))
    tail = 0.5 - level / 2
    f_up, f_down = float(fdtri(n1, n2, 1 - tail)), float(fdtri(n1, n2, tail))
    g12 = ((f_up - 1) ** 2 - (g1 * f_up) ** 2 - h2**2) / f_up
    h12 = ((1 - f_down) ** 2 - (h1 * f_down) ** 2 - g2**2) / f_down
    below = (g1 * s1) ** 2 + (h2 * s2) ** 2 + g12 * s1 * s2
    above = (h1 * s1) ** 2 + (g2 * s2) ** 2 + h12 * s1 * s2
    return s1 - s2 - math.sqrt(max(below, 0.0)), s1 - s2 + math.sqrt(max(above, 0.0))


def _chi2_upper(df: int, level: float) -> float:
    return float(chdtri(df, 0.5 - level / 2))


def _chi2_lower(df: int, level: float) -> float:
    return float(chdtri(df, 0.5 + level / 2))

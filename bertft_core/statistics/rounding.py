"""Differences that are only floating-point rounding count as none."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12
"""Relative to the largest score; differences below it are rounding."""

Floats = NDArray[np.float64]
Scores = Sequence[float] | Floats


def has_spread(values: Floats, at: float | None = None) -> bool:
    """Whether values differ by more than rounding, relative to their size or to the size `at` of their operands."""
    return bool(np.ptp(values) > ROUNDING * (float(np.abs(values).max()) if at is None else at))


def differences_of(first: Scores, second: Scores) -> Floats:
    """first − second, broadcast; exactly 0 where it is only rounding, as in 0.3 − (0.1 + 0.2)."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return np.where(np.abs(a - b) > ROUNDING * largest_of(a, b), a - b, 0.0)


def rounding_of_squares(values: Floats, n_axes: int) -> Floats:
    """The sum of squares over the last `n_axes` axes that may be rounding alone, at the size of the values [...]."""
    axes = tuple(range(-n_axes, 0))
    return np.asarray((ROUNDING * np.abs(values).max(axis=axes)) ** 2 * math.prod(values.shape[-n_axes:]))


def largest_of(first: Scores, second: Scores) -> float:
    """The largest absolute score, relative to which rounding is judged."""
    return float(max(np.abs(np.asarray(first)).max(initial=0.0), np.abs(np.asarray(second)).max(initial=0.0)))


def rounded(values: Floats) -> Floats:
    """Rounded to 12 digits of the largest, so that 0.3 − 0.2 and 0.2 − 0.1 are tied."""
    largest = float(np.abs(values).max(initial=0.0))
    return values if largest == 0 else np.round(values, 12 - int(np.ceil(np.log10(largest))))

"""A mean with the variance of that mean and its degrees of freedom, for runs that are not independent of each other."""

import math
from typing import NamedTuple

from bertft_core.statistics.distributions import stdtr, stdtrit


class EstimatedMean(NamedTuple):
    """How precisely a mean is known."""

    mean: float
    variance: float
    """Of the mean, in units of the scores squared."""
    degrees: float
    """Of Student's t."""

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """mean ± t(ν) · standard error; zero width where the variance is 0, as when all runs score the same."""
        half = float(stdtrit(self.degrees, 0.5 + level / 2)) * math.sqrt(self.variance)
        return self.mean - half, self.mean + half

    @property
    def t(self) -> float | None:
        """mean / standard error; None where the variance is 0."""
        return self.mean / math.sqrt(self.variance) if self.variance > 0 else None

    @property
    def p(self) -> float | None:
        """Two-sided p-value of a mean of 0; None where the variance is 0."""
        return None if self.t is None else float(2 * stdtr(self.degrees, -abs(self.t)))

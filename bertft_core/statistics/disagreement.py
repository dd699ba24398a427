"""On how many examples only one of two arms is right, and whether one is right more often there."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from bertft_core.statistics.rounding import ROUNDING

Right = NDArray[np.bool_] | NDArray[np.floating]
"""[seeds, examples] of True and False."""


class Shares(NamedTuple):
    """Shares of the examples, means over the seeds; they sum to 1."""

    both_right: float
    only_first: float
    only_second: float
    both_wrong: float


class Clustered(NamedTuple):
    """McNemar's test over several runs, with each example as one cluster."""

    statistic: float | None
    """χ² with one degree of freedom; None if the two never differ."""
    p: float | None


def shares(first: Right, second: Right, *, paired: bool) -> Shares:
    """Joint shares of right and wrong: over seeds in the same row if `paired`, otherwise over all pairs of seeds."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    both = float((a * b).mean()) if paired else float((a.mean(axis=0) * b.mean(axis=0)).mean())
    return Shares(both, float(a.mean()) - both, float(b.mean()) - both, 1 - float(a.mean()) - float(b.mean()) + both)


def clustered_mcnemar(first: Right, second: Right) -> Clustered:
    """McNemar's test over seeds with examples as clusters: (Σ d)² / Σ d² of the differences d in how often it is right.

    Source: Durkalski et al. 2003 (Statistics in Medicine 22). It tests for a difference on other examples of the
    same kind for these seeds, not for other seeds (see `multi_bootstrap`). Arms may have different numbers of seeds.
    """
    differences = np.asarray(first, dtype=float).mean(axis=0) - np.asarray(second, dtype=float).mean(axis=0)
    size = float((differences**2).sum())
    if size <= ROUNDING**2:
        return Clustered(None, None)
    statistic = float(differences.sum()) ** 2 / size
    return Clustered(statistic, float(chdtrc(1, statistic)))

"""On which examples two arms differ in being right, and whether one is right more often there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, chdtrc

Right = NDArray[np.bool_] | NDArray[np.floating]
"""[seeds, examples] of True and False."""


class Shares(NamedTuple):
    """Shares of the examples, means over the seeds; they sum to 1."""

    both_right: float
    only_first: float
    only_second: float
    both_wrong: float


class McNemar(NamedTuple):
    """Two-sided test of as many examples right in the first alone as in the second alone."""

    only_first: int
    only_second: int
    p_exact: float
    """At most at its level, mostly under it."""
    p_mid: float
    """Half of the probability of what was seen taken off; near its level, at times a little above."""


class Clustered(NamedTuple):
    """McNemar's test of many runs: what they say of one example is one observation."""

    statistic: float | None
    """χ² with one degree of freedom; None where no example tells the two apart."""
    p: float | None


def shares(first: Right, second: Right, *, paired: bool) -> Shares:
    """Right and wrong together: over the pairs of seeds in the same row where `paired`, otherwise over all pairs of seeds."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    both = float((a * b).mean()) if paired else float((a.mean(axis=0) * b.mean(axis=0)).mean())
    return Shares(both, float(a.mean()) - both, float(b.mean()) - both, 1 - float(a.mean()) - float(b.mean()) + both)


def mcnemar(first: Right, second: Right) -> McNemar:
    """Exact and mid-p test for one run of each, right or wrong [examples] (McNemar 1947; Fagerland, Lydersen & Laake 2013)."""
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    return _of_counts(int((a & ~b).sum()), int((b & ~a).sum()))


def mcnemar_of_votes(first: Right, second: Right) -> McNemar:
    """McNemar's test for the majority over the seeds of each arm; an example on which a vote is tied counts for neither side.

    It compares two ensembles, not two typical runs.
    """
    a, b = (np.asarray(side, dtype=float).mean(axis=0) - 0.5 for side in (first, second))
    return _of_counts(int(((a > 0) & (b < 0)).sum()), int(((a < 0) & (b > 0)).sum()))


def clustered_mcnemar(first: Right, second: Right) -> Clustered:
    """McNemar's test over seeds, an example being a cluster: (Σ d)² / Σ d² of the differences d in how often it is right.

    Source: Durkalski et al. 2003 (Statistics in Medicine 22). It says whether the two differ on other examples of the same kind
    for these seeds; what other seeds would bring, it does not know (see `multi_bootstrap`). Arms may have different numbers of
    seeds.
    """
    differences = np.asarray(first, dtype=float).mean(axis=0) - np.asarray(second, dtype=float).mean(axis=0)
    size = float((differences**2).sum())
    if size <= 1e-24:
        return Clustered(None, None)
    statistic = float(differences.sum()) ** 2 / size
    return Clustered(statistic, float(chdtrc(1, statistic)))


def _of_counts(only_first: int, only_second: int) -> McNemar:
    n, fewer = only_first + only_second, min(only_first, only_second)
    below = float(bdtr(fewer, n, 0.5))
    seen = below - (float(bdtr(fewer - 1, n, 0.5)) if fewer else 0.0)
    if only_first == only_second:
        return McNemar(only_first, only_second, 1.0, 1.0 - seen / 2 if n else 1.0)
    return McNemar(only_first, only_second, min(1.0, 2 * below), 2 * below - seen)

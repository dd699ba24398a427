"""Adding seeds until an interval is narrow enough, at a level that makes up for looking several times.

Chow & Robbins (1965, Annals of Mathematical Statistics 36) go on until the plain interval is as narrow as wanted. That covers at
its level only in the limit of ever narrower intervals: with few seeds it stops where the sd happens to be small (Starr 1966, the
same journal 37, has the loss for samples of this size). The looks here are fixed in advance, and all of their intervals are made
at one higher level, the lowest at which the interval of the look that was the last covers as promised whatever the sd is.

For normal scores that level can be computed. The mean of n scores is independent of the sds of the first 2 … n of them, which
alone decide when to stop (Stein 1945). So the coverage given the sds is 2 Φ(t · sd / σ) − 1 at the last look, and its mean
over the sds is taken by simulation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from bertft_core.statistics.dispersion import sample_sd

N_PATHS = 4000
N_RATIOS = 25
DECIMALS = 4
"""Levels are rounded up to so many places, so that they are the same on every machine."""

Score = float | None
"""Of one seed; None for a run that ended without one."""


class Interim(NamedTuple):
    """What was seen when every arm had `n` seeds."""

    n: int
    level: float
    half_widths: dict[str, float | None]
    """Arm → half the width of its t-interval at `level`; None for fewer than two scores."""
    is_enough: bool
    """Every arm's is narrow enough."""


@lru_cache(maxsize=32)
def interim_level(plan: tuple[int, ...], level: float = 0.95) -> float:
    """The level of the t-intervals at all looks of `plan` (seeds at each, rising) with which the last one covers at `level`.

    Never above 1 − (1 − level) / looks, which is enough for any rule (Bonferroni). Raises `ValueError` for no look.
    """
    if not plan:
        raise ValueError("there must be one look at least")
    sds = _sd_paths(plan)
    low, high = level, 1.0 - (1.0 - level) / len(plan)
    while high - low > 10.0**-DECIMALS / 4:
        middle = (low + high) / 2
        low, high = (low, middle) if _least_coverage(sds, plan, middle) >= level else (middle, high)
    return min(math.ceil(high * 10**DECIMALS - 1e-6) / 10**DECIMALS, 1.0)


def _sd_paths(plan: tuple[int, ...]) -> NDArray[np.float64]:
    """Sds at each look [paths, looks] of normal scores with σ = 1: (n − 1) sd² is a sum of n − 1 squares (Helmert 1876)."""
    freedom = np.array(plan) - 1
    sums = np.random.default_rng(0).chisquare(np.diff(freedom, prepend=0), size=(N_PATHS, len(plan)))
    return np.asarray(np.sqrt(np.cumsum(sums, axis=1) / freedom))


def _least_coverage(sds: NDArray[np.float64], plan: tuple[int, ...], level: float) -> float:
    """Of the interval at the last look, over all half widths that could be asked for."""
    n = np.array(plan)
    t = stdtrit(n - 1, 0.5 + level / 2)
    halves, covers = t * sds / np.sqrt(n), 2 * ndtr(t * sds) - 1
    rows, found = np.arange(len(sds)), []
    for wanted in np.geomspace(0.5 * t[-1] / n[-1] ** 0.5, 1.5 * t[0] / n[0] ** 0.5, N_RATIOS):
        enough = halves <= wanted
        last = np.where(enough.any(axis=1), enough.argmax(axis=1), len(plan) - 1)
        found.append(float(covers[rows, last].mean()))
    return min(found)


def t_half_width(scores: Sequence[float], level: float) -> float | None:
    """t(n − 1) · sd / √n with the sd of ddof 1 (Student 1908); None for fewer than two scores, exactly 0 for equal ones."""
    n, sd = len(scores), sample_sd(scores)
    return None if sd is None else float(stdtrit(n - 1, 0.5 + level / 2)) * sd / n**0.5


def interim_analyses_at(
    arms: Mapping[str, Sequence[Score]], plan: Sequence[int], half_width: float, level: float = 0.95
) -> list[Interim]:
    """The looks so far: at each number of seeds in `plan` that every arm has, until all are narrow enough.

    `arms` [arms][seeds ended so far], in the order of the seed index; `half_width` in the unit of the scores. Scores that are all
    equal at the first look are no measure of the spread: there must be a second one.
    """
    of_each = interim_level(tuple(plan), level)
    looks: list[Interim] = []
    for n in plan:
        if any(len(scores) < n for scores in arms.values()) or (looks and looks[-1].is_enough):
            break
        found = {arm: t_half_width([s for s in scores[:n] if s is not None], of_each) for arm, scores in arms.items()}
        enough = all(half is not None and half <= half_width for half in found.values())
        looks.append(Interim(n, of_each, found, enough and (bool(looks) or 0.0 not in found.values())))
    return looks


def seeds_wanted(looks: Sequence[Interim], plan: Sequence[int]) -> int:
    """How many seeds every arm is to have after these looks."""
    if looks and looks[-1].is_enough:
        return looks[-1].n
    return plan[min(len(looks), len(plan) - 1)]

"""Adding seeds until an interval is narrow enough, at a level corrected for several interim analyses.

Chow & Robbins (1965, Annals of Mathematical Statistics 36) stop when the plain interval is narrow enough. It covers at its level
only asymptotically: with few seeds it stops where the sd happens to be small (Starr 1966, the same journal 37, has the loss for
samples of this size). Here the interim analyses are fixed in advance, and all of their intervals have one higher level: the
lowest at which the interval of the last analysis has the promised coverage, whatever the sd.

For normal scores that level can be computed. The mean of n scores is independent of the sds of the first 2 … n of them, which
alone determine when to stop (Stein 1945). So the coverage given the sds is 2 Φ(t · sd / σ) − 1 at the last analysis, and its mean
over the sds is simulated.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.dispersion import sample_sd
from bertft_core.statistics.distributions import ndtr, stdtrit

N_PATHS = 4000
N_RATIOS = 25
DECIMALS = 4
"""Levels are rounded up to this many decimals, so that they are the same on every machine."""

Score = float | None
"""Of one seed; None for a run without a score."""


class Interim(NamedTuple):
    """An interim analysis with `n` seeds of every arm."""

    n: int
    level: float
    half_widths: dict[str, float | None]
    """Arm → half the width of its t-interval at `level`; None for fewer than two scores."""
    is_enough: bool
    """The interval of every arm is narrow enough."""


@lru_cache(maxsize=32)
def interim_level(plan: tuple[int, ...], level: float = 0.95) -> float:
    """The level of the t-intervals of all analyses in `plan` (seeds at each, ascending) so that the last one covers at `level`.

    At most 1 − (1 − level) / analyses, enough for any rule (Bonferroni). Raises `ValueError` for an empty plan.
    """
    if not plan:
        raise ValueError("at least one interim analysis is needed")
    sds = _sd_paths(plan)
    low, high = level, 1.0 - (1.0 - level) / len(plan)
    while high - low > 10.0**-DECIMALS / 4:
        middle = (low + high) / 2
        low, high = (low, middle) if _least_coverage(sds, plan, middle) >= level else (middle, high)
    return min(math.ceil(high * 10**DECIMALS - 1e-6) / 10**DECIMALS, 1.0)


def _sd_paths(plan: tuple[int, ...]) -> NDArray[np.float64]:
    """Sds at each analysis [paths, analyses] of normal scores with σ = 1: (n − 1) sd² is χ² with n − 1 df (Helmert 1876)."""
    freedom = np.array(plan) - 1
    sums = np.random.default_rng(0).chisquare(np.diff(freedom, prepend=0), size=(N_PATHS, len(plan)))
    return np.asarray(np.sqrt(np.cumsum(sums, axis=1) / freedom))


def _least_coverage(sds: NDArray[np.float64], plan: tuple[int, ...], level: float) -> float:
    """Coverage of the interval at the last analysis, minimised over all half widths that could be requested."""
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
    """The analyses so far: at each number of seeds in `plan` that every arm has, until all intervals are narrow enough.

    `arms` [arms][finished seeds], in the order of the seed index; `half_width` in the unit of the scores. If all scores are equal
    at the first analysis, the sd is not known yet and there must be a second one.
    """
    of_each = interim_level(tuple(plan), level)
    analyses: list[Interim] = []
    for n in plan:
        if any(len(scores) < n for scores in arms.values()) or (analyses and analyses[-1].is_enough):
            break
        found = {arm: t_half_width([s for s in scores[:n] if s is not None], of_each) for arm, scores in arms.items()}
        enough = all(half is not None and half <= half_width for half in found.values())
        analyses.append(Interim(n, of_each, found, enough and (bool(analyses) or 0.0 not in found.values())))
    return analyses


def seeds_wanted(analyses: Sequence[Interim], plan: Sequence[int]) -> int:
    """How many seeds every arm should have after these analyses."""
    if analyses and analyses[-1].is_enough:
        return analyses[-1].n
    return plan[min(len(analyses), len(plan) - 1)]

"""Adding seeds until an interval is narrow enough, with the level that makes up for looking several times.

Chow & Robbins (1965, Annals of Mathematical Statistics 36) go on until the plain interval is as narrow as wanted. That covers at
its level only in the limit of ever narrower intervals: with few seeds it stops where the sd happens to be small. Here the looks
are fixed in advance and each has the level 1 − (1 − level) / looks (Bonferroni; a plain way of spending the error over looks, see
Lan & DeMets 1983, Biometrika 70). For normal scores the intervals of all looks then cover together at `level`, whatever is done
after each of them, and so does the one at the look that was the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

Score = float | None
"""Of one seed; None for a run that ended without one."""


class Look(NamedTuple):
    """What was seen when every arm had `n` seeds."""

    n: int
    level: float
    half_widths: dict[str, float | None]
    """Arm → half the width of its t-interval at `level`; None for fewer than two scores."""
    is_enough: bool
    """Every arm's is narrow enough."""


def look_level(n_looks: int, level: float = 0.95) -> float:
    """The level of each of `n_looks` intervals that are to cover together at `level`. Raises `ValueError` for no look."""
    if n_looks < 1:
        raise ValueError("there must be one look at least")
    return 1.0 - (1.0 - level) / n_looks


def t_half_width(scores: Sequence[float], level: float) -> float | None:
    """t(n − 1) · sd / √n with the sd of ddof 1 (Student 1908); None for fewer than two scores."""
    n = len(scores)
    if n < 2:
        return None
    return float(stdtrit(n - 1, 0.5 + level / 2)) * float(np.std(scores, ddof=1)) / n**0.5


def looks_at(arms: Mapping[str, Sequence[Score]], plan: Sequence[int], half_width: float, level: float = 0.95) -> list[Look]:
    """The looks so far: at each number of seeds in `plan` that every arm has, until all are narrow enough.

    `arms` [arms][seeds ended so far], in the order of the seed index; `half_width` in the unit of the scores.
    """
    of_each = look_level(len(plan), level)
    looks: list[Look] = []
    for n in plan:
        if any(len(scores) < n for scores in arms.values()) or (looks and looks[-1].is_enough):
            break
        found = {arm: t_half_width([s for s in scores[:n] if s is not None], of_each) for arm, scores in arms.items()}
        looks.append(Look(n, of_each, found, all(half is not None and half <= half_width for half in found.values())))
    return looks


def seeds_wanted(looks: Sequence[Look], plan: Sequence[int]) -> int:
    """How many seeds every arm is to have after these looks."""
    if looks and looks[-1].is_enough:
        return looks[-1].n
    return plan[min(len(looks), len(plan) - 1)]

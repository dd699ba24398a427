"""How seeds came about where they were not simply so many: added until an interval was narrow, or the best of many."""

from __future__ import annotations

from typing import Literal

from bertft_core.config.base import Frozen


class InterimAnalysis(Frozen):
    """What was seen when every arm had `n` seeds."""

    n: int
    half_widths: dict[str, float]
    """Arm → half the width of its t-interval at the level of the looks; an arm with fewer than two scores is absent."""
    is_enough: bool


class InterimInterval(Frozen):
    """The mean of one arm with the interval that knows of the looks."""

    arm: str
    split: str
    metric: str
    n: int
    """Seeds with a score."""
    mean: float
    low: float
    high: float


class AdaptiveSeeds(Frozen):
    """Seeds were added to every arm until an interval was narrow enough."""

    metric: str
    """Its validation value was looked at, with the weights of the headline's checkpoint."""
    half_width: float
    plan: tuple[int, ...]
    """Seeds of every arm at each look there could be."""
    level: float
    """Of the intervals at every look, so that the one at the last look covers in 95 % of such studies."""
    looks: tuple[InterimAnalysis, ...]
    """Those that were taken."""
    ended: Literal["narrow enough", "maximum", "not yet"]
    intervals: tuple[InterimInterval, ...] = ()
    """Of the metric that was looked at, and of the headline where that is another number."""
    sentence: str


class SelectedSeed(Frozen):
    """A seed that started, where it stood at the cut, and what became of it."""

    index: int
    score_at_cut: float | None
    """Best validation score up to the cut; absent for a run that diverged or failed by then."""
    kept: bool
    """It was to go on to its end."""
    best_score: float | None = None
    """Best validation score of a kept run over all its steps."""


class SelectedSeeds(Frozen):
    """The best of many seeds: no sample, so there is no spread, interval or comparison of them."""

    start: int
    stop_at: float
    keep: int
    seeds: tuple[SelectedSeed, ...]
    """The best at the cut first."""
    best: int | None
    """Index of the kept seed with the best validation score over all its steps."""
    cost: float
    """t·f + p·(1 − f), in whole runs."""
    sentence: str

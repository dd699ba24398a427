"""How the seeds were chosen where their number was not fixed: added until an interval was narrow, or the best of many."""

from typing import Literal

from bertft_core.config.base import Frozen


class InterimAnalysis(Frozen):
    """What was known when every arm had `n` seeds."""

    n: int
    half_widths: dict[str, float]
    """Arm → half the width of its t-interval at the level of the study; an arm with fewer than two scores is absent."""
    is_enough: bool


class InterimInterval(Frozen):
    """The mean of one arm with an interval that accounts for the interim analyses."""

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
    """Its validation value decided, with the weights of the headline's checkpoint."""
    half_width: float
    plan: tuple[int, ...]
    """Seeds of every arm at each interim analysis there could be."""
    level: float
    """Of the intervals at every interim analysis, so that the last one covers in 95 % of such studies."""
    interim_analyses: tuple[InterimAnalysis, ...]
    """Those that took place."""
    ended: Literal["narrow enough", "maximum", "not yet"]
    intervals: tuple[InterimInterval, ...] = ()
    """Of the metric that decided, and of the headline where that is another number."""


class SelectedSeed(Frozen):
    """A seed that was started: its score at the cut, and whether it went on."""

    index: int
    score_at_cut: float | None
    """Best validation score up to the cut; absent for a run that diverged or failed by then."""
    kept: bool
    """Whether it was trained to its end."""
    best_score: float | None = None
    """Best validation score of a kept run over all its steps."""


class SelectedSeeds(Frozen):
    """The best of many seeds; they are not a random sample, so they have no sd, interval or comparison."""

    start: int
    stop_at: float
    keep: int
    seeds: tuple[SelectedSeed, ...]
    """The best at the cut first."""
    best: int | None
    """Index of the kept seed with the best validation score over all its steps."""
    cost: float
    """start · stop_at + keep · (1 − stop_at), in whole runs."""

"""Seeds needed to know a mean to ± a width, or to detect a true difference; at a spread that was observed or given."""

from collections.abc import Callable
from typing import Any

from bertft_core.evaluation.insights.detectable_effect import alpha_of
from bertft_core.records.insight_records import SeedsFor, SeedsNeeded
from bertft_core.statistics.dispersion import interval_of_sd
from bertft_core.statistics.mean_intervals import LEVEL
from bertft_core.statistics.seeds_needed import seeds_for_half_width, seeds_for_power

Spread = float | SeedsNeeded
"""A given sd, or that of an arm or of its paired differences to another arm."""


def for_half_width(spread: Spread, width: float) -> SeedsFor:
    """Seeds to know the mean to ± `width`, at the level of the spread's study (95 % of a given sd)."""
    level = LEVEL if isinstance(spread, float) else spread.level
    return _record(spread, lambda sd: seeds_for_half_width(sd, width, level), aim="half_width", value=width, paired=False)


def for_effect(spread: Spread, effect: float, power: float, *, paired: bool) -> SeedsFor:
    """Seeds to detect a true difference of `effect` with this power, two-sided at 1 − level."""
    alpha = alpha_of(LEVEL if isinstance(spread, float) else spread.level)

    def count(sd: float) -> int | None:
        return seeds_for_power(effect / sd, paired=paired, wanted=power, alpha=alpha) if sd > 0 else 2

    return _record(spread, count, aim="power", value=effect, power=power, paired=paired)


def _record(spread: Spread, count: Callable[[float], int | None], **aim: Any) -> SeedsFor:
    if isinstance(spread, float):
        return SeedsFor(sd=spread, n_needed=count(spread), **aim)
    low, high = interval_of_sd(spread.sd, spread.n)
    return SeedsFor(
        arm=spread.arm,
        baseline=spread.baseline,
        metric=spread.metric,
        sd=spread.sd,
        n=spread.n,
        level=spread.level,
        n_needed=count(spread.sd),
        n_low=count(low),
        n_high=count(high),
        **aim,
    )

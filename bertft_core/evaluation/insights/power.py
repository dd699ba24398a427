"""Seeds for an aim: a mean known to ± a width, or a true difference found; at a spread that was seen or given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bertft_core.evaluation.insights.amounts import amount
from bertft_core.evaluation.insights.detectable_effect import alpha_of
from bertft_core.records.insight_records import SeedsFor, SeedsNeeded
from bertft_core.statistics.dispersion import interval_of_sd
from bertft_core.statistics.mean_intervals import LEVEL
from bertft_core.statistics.seeds_needed import MOST, seeds_for_half_width, seeds_for_power

GIVEN = "the given sd"


def for_half_width(of: str, sd: float, wanted: float, metric: str | None, n: int | None = None, level: float = LEVEL) -> SeedsFor:
    """Seeds to know the mean to ± `wanted`; `n` seeds the sd was seen on, `metric` None for plain numbers."""
    found = _found(lambda spread: seeds_for_half_width(spread, wanted, level), sd, n)
    whose = f"a mean at {of}" if of == GIVEN else f"the mean of {of}"
    sentence = f"to know {whose} to ± {_told(wanted, metric)}: {_seeds(found, 'seeds', n)}{_looked(level)}"
    return _record(of, sd, n, found, aim="half_width", value=wanted, power=None, paired=False, sentence=sentence)


def for_effect(
    of: str,
    sd: float,
    effect: float,
    power: float,
    metric: str | None,
    *,
    paired: bool,
    n: int | None = None,
    level: float = LEVEL,
) -> SeedsFor:
    """Seeds to find a true difference of `effect` with this power, two-sided at 1 − level; otherwise as `for_half_width`."""

    def count(spread: float) -> int | None:
        return seeds_for_power(effect / spread, paired=paired, wanted=power, alpha=alpha_of(level)) if spread > 0 else 2

    found = _found(count, sd, n)
    units = "pairs of seeds" if paired else "seeds of each arm"
    sentence = f"to find a true difference of {_told(effect, metric)} with a power of {100 * power:g} % at {_whose(of, paired)}"
    sentence += f": {_seeds(found, units, n)}{_looked(level)}"
    return _record(of, sd, n, found, aim="power", value=effect, power=power, paired=paired, sentence=sentence)


def for_effect_on(needed: SeedsNeeded, effect: float, power: float) -> SeedsFor:
    """At the spread that an arm, or its paired differences to another, have shown."""
    paired = needed.baseline is not None
    return for_effect(name_of(needed), needed.sd, effect, power, needed.metric, paired=paired, n=needed.n, level=needed.level)


def name_of(needed: SeedsNeeded) -> str:
    """`full`, or `full − features`."""
    return needed.arm if needed.baseline is None else f"{needed.arm} − {needed.baseline}"


Found = tuple[int | None, int | None, int | None]
"""At the sd, and at the two ends of its interval."""


def _found(count: Callable[[float], int | None], sd: float, n: int | None) -> Found:
    low, high = (None, None) if n is None else interval_of_sd(sd, n)
    return count(sd), None if low is None else count(low), None if high is None else count(high)


def _record(of: str, sd: float, n: int | None, found: Found, **how: Any) -> SeedsFor:
    return SeedsFor(of=of, sd=sd, n=n, n_needed=found[0], n_low=found[1], n_high=found[2], **how)


def _whose(of: str, paired: bool) -> str:
    if of == GIVEN:
        return f"{of} of {'paired differences' if paired else 'each of two arms'}"
    return f"the spread of {of}"


def _seeds(found: Found, units: str, n: int | None) -> str:
    if found[0] is None:
        most = f"{MOST:,}".replace(",", " ")
        return f"more than {most} {units}, which is out of reach"
    told = f"{found[0]} {units}"
    if n is None:
        return told
    upper = f"{found[2]}" if found[2] is not None else "out of reach"
    return f"{told} ({found[1]} to {upper}, for the sd of {n} seeds is itself unsure)"


def _looked(level: float) -> str:
    return "" if level == LEVEL else f", at the {100 * level:.4g} % of a study whose seeds were added by looking"


def _told(value: float, metric: str | None) -> str:
    return f"{value:.3g}" if metric is None else amount(value, metric)

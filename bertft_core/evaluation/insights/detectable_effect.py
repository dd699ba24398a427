"""What the present seeds can detect, and how many would be needed for the observed differences."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.config.study_config import StudyConfig
from bertft_core.planning.adaptive import interval_level
from bertft_core.records.comparison_record import Comparison
from bertft_core.records.insight_records import SeedsNeeded, SeedsPoint
from bertft_core.records.summary import ArmSummary, scores_by_index
from bertft_core.statistics.mean_intervals import LEVEL
from bertft_core.statistics.rounding import ROUNDING
from bertft_core.statistics.seeds_needed import MIN_SEEDS, detectable_effect, half_width, seeds_for_power

CURVE = (3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
POWER = 0.8


class ArmMetric(NamedTuple):
    """Which scores of an arm."""

    metric: str
    split: str
    checkpoint: str

    @property
    def key(self) -> str:
        return f"{self.checkpoint}/{self.split}/{self.metric}"


def seeds_needed(study: StudyConfig, arms: Sequence[ArmSummary], at: ArmMetric) -> tuple[SeedsNeeded, ...]:
    """For every arm its own scores, then for every arm but the first the paired differences to it; three seeds or more.

    Nothing for selected seeds, and for splits of the same examples, of which more do not help without end. Where seeds were added
    adaptively, everything is at the level that corrects for it.
    """
    if study.is_selected or study.seeds.splits is not None:
        return ()
    level, crossed = interval_level(study), isinstance(study.seeds.design, CrossedDesign)
    scores = {arm.arm: scores_by_index(arm, at.key) for arm in arms}
    (baseline, of_baseline), *others = scores.items()
    found = [needed(name, None, at, list(values.values()), level, crossed=crossed) for name, values in scores.items()]
    for name, values in others:
        gaps = [values[index] - of_baseline[index] for index in sorted(values.keys() & of_baseline.keys())]
        found.append(needed(name, baseline, at, gaps, level, crossed=crossed))
    return tuple(each for each in found if each is not None)


def without_useless_seeds(found: Sequence[SeedsNeeded], comparison: Comparison) -> tuple[SeedsNeeded, ...]:
    """The same, with no number of seeds for a pair whose uncertainty is that of its examples: more seeds will not help."""

    def compared(each: SeedsNeeded) -> SeedsNeeded:
        key = ArmMetric(each.metric, each.split, each.checkpoint).key
        pair = None if each.baseline is None else comparison.pair(each.arm, each.baseline, key)
        if pair is None or not pair.needs_examples(comparison.level):
            return each
        return each.model_copy(update={"n_for_observed": None, "needs_examples": True})

    return tuple(map(compared, found))


def alpha_of(level: float) -> float:
    """The level of a test that decides as intervals of this level do."""
    return round(1 - level, 12)


def needed(
    arm: str, baseline: str | None, at: ArmMetric, values: Sequence[float], level: float = LEVEL, *, crossed: bool = False
) -> SeedsNeeded | None:
    """For the scores of an arm, or for its paired differences to a baseline; None for fewer than three."""
    n = len(values)
    if n < MIN_SEEDS:
        return None
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    sd = 0.0 if np.ptp(values) < ROUNDING else sd
    paired, alpha = baseline is not None, alpha_of(level)

    def point(seeds: int) -> SeedsPoint:
        effect = detectable_effect(seeds, paired=paired, wanted=POWER, alpha=alpha)
        return SeedsPoint(n=seeds, half_width=half_width(seeds, sd, level), detectable=sd * effect)

    n_for_observed = None
    if paired and sd > 0 and abs(mean) > ROUNDING:
        n_for_observed = seeds_for_power(mean / sd, paired=True, wanted=POWER, alpha=alpha)
    return SeedsNeeded(
        arm=arm,
        baseline=baseline,
        metric=at.metric,
        split=at.split,
        checkpoint=at.checkpoint,
        n=n,
        mean=mean,
        sd=sd,
        half_width=point(n).half_width,
        detectable=point(n).detectable,
        n_for_observed=n_for_observed,
        curve=tuple(point(each) for each in (CURVE if sd > 0 else ())),
        level=level,
        crossed=crossed,
    )

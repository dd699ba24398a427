"""What the present seeds can and cannot tell, and how many it would take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.differences import FEWEST_SEEDS, SAME
from bertft_core.evaluation.insights.amounts import amount, score
from bertft_core.planning.adaptive import interval_level
from bertft_core.records import ArmSummary
from bertft_core.records.insight_records import SeedsNeeded, SeedsPoint
from bertft_core.records.summary import scores_by_index
from bertft_core.statistics.mean_intervals import LEVEL
from bertft_core.statistics.seeds_needed import detectable_effect, half_width, seeds_for_power

CURVE = (3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
POWER = 0.8
SHARED = "; all this takes runs for independent, and those of a grid share seeds, so it is too hopeful"


class ArmMetric(NamedTuple):
    """Which scores are meant."""

    metric: str
    split: str
    checkpoint: str

    @property
    def key(self) -> str:
        return f"{self.checkpoint}/{self.split}/{self.metric}"


def seeds_needed(study: StudyConfig, arms: Sequence[ArmSummary], at: ArmMetric) -> tuple[SeedsNeeded, ...]:
    """For every arm its own scores, then for every arm but the first the paired differences to it; three seeds or more.

    Nothing of selected seeds. Those of a crossed design are not independent, which each sentence then says. Where seeds were
    added by looking, everything is at the level that makes up for it.
    """
    if study.is_selected:
        return ()
    level = interval_level(study)
    scores = {arm.arm: scores_by_index(arm, at.key) for arm in arms}
    found = [needed(name, None, at, list(values.values()), level) for name, values in scores.items()]
    (baseline, theirs), *others = scores.items()
    for name, ours in others:
        gaps = [ours[index] - theirs[index] for index in sorted(ours.keys() & theirs.keys())]
        found.append(needed(name, baseline, at, gaps, level))
    told = [each for each in found if each is not None]
    if isinstance(study.seeds.design, CrossedDesign):
        told = [each.model_copy(update={"sentence": each.sentence + SHARED}) if each.sd > 0 else each for each in told]
    return tuple(told)


def alpha_of(level: float) -> float:
    """The level of a test that decides as intervals of this level do."""
    return round(1 - level, 12)


def needed(arm: str, baseline: str | None, at: ArmMetric, values: Sequence[float], level: float = LEVEL) -> SeedsNeeded | None:
    """Of the scores of an arm, or of its paired differences to a baseline; None for fewer than three."""
    n = len(values)
    if n < FEWEST_SEEDS:
        return None
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    sd = 0.0 if np.ptp(values) < SAME else sd
    paired, alpha = baseline is not None, alpha_of(level)

    def told(seeds: int) -> SeedsPoint:
        effect = detectable_effect(seeds, paired=paired, wanted=POWER, alpha=alpha)
        return SeedsPoint(n=seeds, half_width=half_width(seeds, sd, level), detectable=sd * effect)

    of_observed = None
    if paired and sd > 0 and abs(mean) > SAME:
        of_observed = seeds_for_power(mean / sd, paired=True, wanted=POWER, alpha=alpha)
    found = SeedsNeeded(
        arm=arm,
        baseline=baseline,
        metric=at.metric,
        split=at.split,
        checkpoint=at.checkpoint,
        n=n,
        mean=mean,
        sd=sd,
        half_width=told(n).half_width,
        detectable=told(n).detectable,
        n_for_observed=of_observed,
        curve=tuple(told(each) for each in (CURVE if sd > 0 else ())),
        sentence="",
        level=level,
    )
    looked = "" if level == LEVEL or sd == 0 else f"; all this at {100 * level:.4g} %, which makes up for the looks at the seeds"
    return found.model_copy(update={"sentence": _sentence(found) + looked})


def _sentence(found: SeedsNeeded) -> str:
    what = f"{found.metric}, {found.split}"
    spread, width, least = (amount(value, found.metric) for value in (found.sd, found.half_width, found.detectable))
    if found.baseline is None:
        if found.sd == 0:
            return f"the {found.n} seeds of {found.arm} all score {score(found.mean)} ({what}), so no number of seeds follows"
        return (
            f"the {found.n} seeds of {found.arm} have an sd of {spread} ({what}) and know its mean to ± {width}; against another "
            f"arm of the same spread, without pairing, they would find a true difference of {least} with a power of 80 %, "
            "and miss a smaller one more often"
        )
    pair = f"{found.arm} minus {found.baseline}"
    if found.sd == 0:
        return f"{pair} is the same in each of {found.n} seeds ({what}), so no number of seeds follows"
    told = (
        f"{found.n} paired seeds of {pair} ({what}; sd of the differences {spread}) find a true difference of {least} "
        "with a power of 80 %"
    )
    seen = amount(abs(found.mean), found.metric)
    if found.n_for_observed is None:
        return f"{told}; the one seen, {seen}, is out of reach"
    enough = "they suffice" if found.n_for_observed <= found.n else f"it takes {found.n_for_observed}"
    return f"{told}; if the true difference is the one seen, {seen}, {enough}"

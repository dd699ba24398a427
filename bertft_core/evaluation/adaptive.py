"""Seeds until an interval is narrow: what was seen at each look, read from the records alone, and at which level it counts."""

from __future__ import annotations

from collections.abc import Mapping

from bertft_core.config.study import StudyConfig
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.records.choosing import SCORED
from bertft_core.statistics.sequential import Look, Score, look_level, looks_at, seeds_wanted
from bertft_core.training.planning import Chosen, plan_runs

LEVEL = 0.95


def interval_level(study: StudyConfig) -> float:
    """The level at which this study's t-intervals are made, so that they cover in 95 % of studies like it."""
    return look_level(study.seeds.looks, LEVEL) if study.seeds.looks else LEVEL


def watched_metric(study: StudyConfig) -> str:
    """The metric whose validation value decides how many seeds there are."""
    return (study.seeds.until.metric if study.seeds.until is not None else None) or study.metric


def looks_of(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord]) -> list[Look]:
    """The looks that the records allow, until the last one; none for a study without `seeds.until`. `records` by run digest."""
    if study.seeds.until is None:
        return []
    scores: dict[str, list[Score]] = {arm: [] for arm in study.arms}
    waiting: set[str] = set()
    for spec in plan_runs(study, card, chosen, study.seeds.n_at_most):
        record = records.get(spec.digest)
        if record is None:
            waiting.add(spec.arm)
        elif spec.arm not in waiting:
            scores[spec.arm].append(_score(record, study))
    return looks_at(scores, study.seeds.looks, study.seeds.until.half_width, LEVEL)


def n_seeds(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord]) -> int:
    """How many seeds every arm is to have, as far as the records tell."""
    if study.seeds.until is None:
        return study.seeds.n_at_first
    return seeds_wanted(looks_of(study, card, chosen, records), study.seeds.looks)


def _score(record: RunRecord, study: StudyConfig) -> Score:
    """Of the validation set, with the weights that the headline speaks of."""
    if record.status not in SCORED:
        return None
    found = record.best if study.headline.checkpoint == "best" else record.final
    return found.get("validation", {}).get(watched_metric(study))

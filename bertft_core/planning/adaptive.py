"""Adaptive seeds: the interim analyses of a study, read from its records alone, and the level of its intervals."""

from collections.abc import Mapping, Sequence

from bertft_core.config.study_config import StudyConfig
from bertft_core.metrics.bounds import bounds_of
from bertft_core.planning.run_specs import Chosen, plan_runs
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.records.ranking import SCORED
from bertft_core.records.seed_design_records import AdaptiveSeeds, InterimAnalysis, InterimInterval
from bertft_core.records.summary import ArmSummary, scores_by_index
from bertft_core.statistics.mean_intervals import LEVEL, interval_of_mean
from bertft_core.statistics.sequential_intervals import Interim, Score, interim_analyses_at, interim_level, seeds_wanted


def interval_level(study: StudyConfig) -> float:
    """The level of this study's t-intervals, so that they cover in 95 % of studies like it."""
    return interim_level(study.seeds.interim_sizes, LEVEL) if study.seeds.interim_sizes else LEVEL


def watched_metric(study: StudyConfig) -> str:
    """The metric whose validation value decides how many seeds there are."""
    return (study.seeds.until.metric if study.seeds.until is not None else None) or study.metric


def interim_analyses_of(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord]) -> list[Interim]:
    """The interim analyses that the records allow; none for a study without `seeds.until`. `records` by run digest."""
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
    return interim_analyses_at(scores, study.seeds.interim_sizes, study.seeds.until.half_width, LEVEL)


def n_seeds(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord]) -> int:
    """How many seeds every arm should have, given the records."""
    if study.seeds.until is None:
        return study.seeds.n_at_first
    return seeds_wanted(interim_analyses_of(study, card, chosen, records), study.seeds.interim_sizes)


def _score(record: RunRecord, study: StudyConfig) -> Score:
    """On the validation set, with the weights of the headline's checkpoint."""
    if record.status not in SCORED:
        return None
    found = record.best if study.headline.checkpoint == "best" else record.final
    return found.get("validation", {}).get(watched_metric(study))


def adaptive_seeds(
    study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord], arms: Sequence[ArmSummary], key: str
) -> AdaptiveSeeds | None:
    """The interim analyses of a study and why it stopped; None without `seeds.until`. `key` is the headline's, such as
    `best/test/accuracy`."""
    until, plan = study.seeds.until, study.seeds.interim_sizes
    if until is None:
        return None
    analyses = interim_analyses_of(study, card, chosen, records)
    level, metric = interval_level(study), watched_metric(study)
    watched = f"{study.headline.checkpoint}/validation/{metric}"
    intervals = [found for name in dict.fromkeys((watched, key)) for arm in arms if (found := _interval(arm, name, level))]
    enough = bool(analyses) and analyses[-1].is_enough
    return AdaptiveSeeds(
        metric=metric,
        half_width=until.half_width,
        plan=plan,
        level=level,
        interim_analyses=tuple(
            InterimAnalysis(
                n=one.n,
                half_widths={arm: half for arm, half in one.half_widths.items() if half is not None},
                is_enough=one.is_enough,
            )
            for one in analyses
        ),
        ended="narrow enough" if enough else "maximum" if len(analyses) == len(plan) else "not yet",
        intervals=tuple(intervals),
    )


def _interval(arm: ArmSummary, key: str, level: float) -> InterimInterval | None:
    _, split, metric = key.split("/", 2)
    values = list(scores_by_index(arm, key).values())
    ends = interval_of_mean(values, None, level, bounds_of(metric))
    if ends is None:
        return None
    mean = sum(values) / len(values)
    return InterimInterval(arm=arm.arm, split=split, metric=metric, n=len(values), mean=mean, low=ends[0], high=ends[1])

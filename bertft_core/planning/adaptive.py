"""Seeds until an interval is narrow: what was seen at each look, read from the records alone, and at which level it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bertft_core.config.study_config import StudyConfig
from bertft_core.planning.run_specs import Chosen, plan_runs
from bertft_core.records import ArmSummary, DatasetCard, RunRecord
from bertft_core.records.ranking import SCORED
from bertft_core.records.seed_design_records import AdaptiveSeeds, InterimAnalysis, InterimInterval
from bertft_core.records.summary import scores_by_index
from bertft_core.statistics.mean_intervals import LEVEL, t_interval
from bertft_core.statistics.sequential_intervals import Interim, Score, interim_analyses_at, interim_level, seeds_wanted


def interval_level(study: StudyConfig) -> float:
    """The level at which this study's t-intervals are made, so that they cover in 95 % of studies like it."""
    return interim_level(study.seeds.interim_sizes, LEVEL) if study.seeds.interim_sizes else LEVEL


def watched_metric(study: StudyConfig) -> str:
    """The metric whose validation value decides how many seeds there are."""
    return (study.seeds.until.metric if study.seeds.until is not None else None) or study.metric


def interim_analyses_of(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord]) -> list[Interim]:
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
    return interim_analyses_at(scores, study.seeds.interim_sizes, study.seeds.until.half_width, LEVEL)


def n_seeds(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord]) -> int:
    """How many seeds every arm is to have, as far as the records tell."""
    if study.seeds.until is None:
        return study.seeds.n_at_first
    return seeds_wanted(interim_analyses_of(study, card, chosen, records), study.seeds.interim_sizes)


def _score(record: RunRecord, study: StudyConfig) -> Score:
    """Of the validation set, with the weights that the headline speaks of."""
    if record.status not in SCORED:
        return None
    found = record.best if study.headline.checkpoint == "best" else record.final
    return found.get("validation", {}).get(watched_metric(study))


def adaptive_seeds(
    study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Mapping[str, RunRecord], arms: Sequence[ArmSummary], key: str
) -> AdaptiveSeeds | None:
    """The looks of a study and why it stopped; None without `seeds.until`. `key` (checkpoint/split/metric) is the headline."""
    until, plan = study.seeds.until, study.seeds.interim_sizes
    if until is None:
        return None
    looks = interim_analyses_of(study, card, chosen, records)
    level, metric = interval_level(study), watched_metric(study)
    watched = f"{study.headline.checkpoint}/validation/{metric}"
    intervals = [found for name in dict.fromkeys((watched, key)) for arm in arms if (found := _interval(arm, name, level))]
    enough = bool(looks) and looks[-1].is_enough
    return AdaptiveSeeds(
        metric=metric,
        half_width=until.half_width,
        plan=plan,
        level=level,
        looks=tuple(
            InterimAnalysis(
                n=look.n,
                half_widths={arm: half for arm, half in look.half_widths.items() if half is not None},
                is_enough=look.is_enough,
            )
            for look in looks
        ),
        ended="narrow enough" if enough else "maximum" if len(looks) == len(plan) else "not yet",
        intervals=tuple(intervals),
        sentence=_sentence(study, looks, level),
    )


def _interval(arm: ArmSummary, key: str, level: float) -> InterimInterval | None:
    _, split, metric = key.split("/", 2)
    values = list(scores_by_index(arm, key).values())
    ends = t_interval(values, level)
    if ends is None:
        return None
    mean = sum(values) / len(values)
    return InterimInterval(arm=arm.arm, split=split, metric=metric, n=len(values), mean=mean, low=ends[0], high=ends[1])


def _sentence(study: StudyConfig, looks: list[Interim], level: float) -> str:
    until, plan = study.seeds.until, study.seeds.interim_sizes
    assert until is not None
    wanted = f"±{until.half_width:g} ({watched_metric(study)}, validation)"
    why = f"every t-interval is made at {100 * level:.2f} %, so that the last one covers in 95 % of such studies"
    times = f"{len(looks)} of at most {len(plan)} looks"
    if not looks:
        return f"seeds are added until every arm is known to {wanted}: there was no look yet; {why}"
    last = looks[-1]
    if last.is_enough:
        end = f"every arm is known to {wanted} with {last.n} seeds, after {times}"
    elif len(looks) == len(plan):
        wide = ", ".join(
            f"{arm} {_width(half)}" for arm, half in last.half_widths.items() if half is None or half > until.half_width
        )
        end = f"the maximum of {last.n} seeds is reached after {times}, and not every arm is known to {wanted}: {wide}"
    else:
        end = f"not every arm is known to {wanted} with {last.n} seeds, after {times}: more are to come"
    flat = [arm for arm, half in last.half_widths.items() if half == 0.0]
    doubt = f"; all seeds of {' and '.join(flat)} score the same there, which says little about the spread" if flat else ""
    return f"{end}; the test set decided nothing; {why}{doubt}"


def _width(half: float | None) -> str:
    return "has fewer than two scores" if half is None else f"±{half:.4g}"

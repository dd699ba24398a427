"""Variance between studies that differ in nothing but their seed: what the data split, or the search, brings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.evaluation.insights.amounts import amount
from bertft_core.evaluation.insights.detectable_effect import ArmMetric
from bertft_core.evaluation.insights.seed_variance import component_of
from bertft_core.records import StudySummary
from bertft_core.records.insight_records import StudyVariance
from bertft_core.records.summary import scores_by_index
from bertft_core.statistics.mean_squares import METHOD
from bertft_core.statistics.variance_components import nested

BESIDE = {"name", "description", "seed", "execution", "tracking", "retention", "ensemble", "probes", "version"}
"""What may differ: names, places, the seed, and what is looked at afterwards."""


def variance_between(studies: Sequence[tuple[StudyConfig, StudySummary]], at: ArmMetric) -> tuple[StudyVariance, ...]:
    """Between and within components for every arm that has two seeds or more in some study and one in each.

    Runs of a crossed design share seeds: no interval and no test is made of them. Raises `UserError` for studies that differ in
    more than their seed, or whose seeds were selected.
    """
    first, summary = studies[0]
    for one, other in combinations([study for study, _ in studies], 2):
        _refuse_other(one, other)
    if first.is_selected:
        raise UserError(
            "seeds that were selected say nothing about variance",
            found="seeds.start: many started and the best went on",
            hint="name studies whose seeds all ran to their end",
        )
    untested = {"low": None, "high": None, "f": None, "f_p": None} if isinstance(first.seeds.design, CrossedDesign) else {}
    names, source = tuple(study.name for study, _ in studies), _source([found for _, found in studies])
    rows = []
    for place, arm in enumerate(summary.arms):
        groups = [list(scores_by_index(found.arms[place], at.key).values()) for _, found in studies]
        if min(map(len, groups)) < 1 or max(map(len, groups)) < 2:
            continue
        estimates = nested(groups)
        total = sum(estimate.variance for estimate in estimates)
        between, within = (component_of(estimate, total).model_copy(update=untested) for estimate in estimates)
        rows.append(
            StudyVariance(
                arm=arm.arm,
                metric=at.metric,
                split=at.split,
                checkpoint=at.checkpoint,
                source=source,
                studies=names,
                means=tuple(sum(group) / len(group) for group in groups),
                between=between,
                within=within,
                method=METHOD,
                sentence="",
            )
        )
    return tuple(row.model_copy(update={"sentence": _sentence(row)}) for row in rows)


def _refuse_other(first: StudyConfig, other: StudyConfig) -> None:
    here, there = (study.model_dump(mode="json", exclude=BESIDE) for study in (first, other))
    changed = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if changed or first.seed == other.seed:
        raise UserError(
            f"{first.name} and {other.name} cannot tell the variance between studies",
            found=f"they differ in {', '.join(changed)}" if changed else f"both have seed {first.seed}",
            expected="studies that differ in their seed alone",
            hint="run the same study with --set seed=… and --set name=…",
        )


def _source(summaries: Sequence[StudySummary]) -> str:
    split = len({summary.data_fingerprint for summary in summaries}) > 1
    search = any([arm.chosen for arm in summary.arms] != [arm.chosen for arm in summaries[0].arms] for summary in summaries)
    return " and ".join([*(["split"] if split else []), *(["search"] if search else [])]) or "seeds"


WORDS = {
    "split": "the cut into splits",
    "search": "the search",
    "split and search": "the cut into splits and the search together",
    "seeds": "nothing but seeds, so it should be about 0",
}


def _sentence(row: StudyVariance) -> str:
    n, sds = len(row.studies), [amount(part.variance**0.5, row.metric) for part in (row.between, row.within)]
    p = "" if row.between.f_p is None else f", p = {row.between.f_p:.2g}"
    crossed = row.between.high is None  # runs that share seeds lie closer together than studies do, so no F test is made
    test = "" if crossed else f" (F test{p})"
    shared = "; runs that share seeds are not tested, and what they share is in the sd between studies" if crossed else ""
    return (
        f"{row.arm} ({row.metric}, {row.split}): between {n} studies an sd of {sds[0]}{test}, within them, over seeds, "
        f"{sds[1]}; what differs between them is {WORDS[row.source]}{shared}"
    )

"""Variance between studies that differ only in their seed: what the data split, or the search, contributes."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.config.split_designs import SplitDesign
from bertft_core.evaluation.comparison.study_components import MAY_DIFFER
from bertft_core.evaluation.insights.detectable_effect import ArmMetric
from bertft_core.evaluation.insights.seed_variance import component_of
from bertft_core.records.insight_records import StudyVariance
from bertft_core.records.summary import StudySummary, scores_by_index
from bertft_core.statistics.variance_components import nested

SHARING = CrossedDesign | SplitDesign
"""Designs whose runs are not independent of each other."""


def variance_between(studies: Sequence[tuple[StudyConfig, StudySummary]], at: ArmMetric) -> tuple[StudyVariance, ...]:
    """Between and within components for every arm with at least one seed in each study and two in one of them.

    Runs of a crossed design share seeds and those of a split design examples, so they get no interval and no test. Raises
    `UserError` for studies that differ in more than their seed, or whose seeds were selected.
    """
    first, summary = studies[0]
    for one, other in combinations([study for study, _ in studies], 2):
        _refuse_other(one, other)
    if first.is_selected:
        raise UserError(
            "selected seeds cannot be used to estimate variance",
            code="compare.selected-seeds",
            found="seeds.start: many seeds started and only the best went on",
            hint="name studies whose seeds were all trained to the end",
        )
    untested = {"low": None, "high": None, "f": None, "f_p": None} if isinstance(first.seeds.design, SHARING) else {}
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
            )
        )
    return tuple(rows)


def _refuse_other(first: StudyConfig, other: StudyConfig) -> None:
    here, there = (study.model_dump(mode="json", exclude=MAY_DIFFER) for study in (first, other))
    changed = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if changed or first.seed == other.seed:
        raise UserError(
            f"the variance between {first.name} and {other.name} cannot be estimated",
            code="compare.variance-not-estimable",
            found=f"they differ in {', '.join(changed)}" if changed else f"both have seed {first.seed}",
            expected="studies that differ only in their seed",
            hint="run the same study with --set seed=… and --set name=…",
        )


def _source(summaries: Sequence[StudySummary]) -> Literal["split", "search", "split and search", "seeds"]:
    split = len({summary.data_fingerprint for summary in summaries}) > 1
    search = any([arm.chosen for arm in summary.arms] != [arm.chosen for arm in summaries[0].arms] for summary in summaries)
    if split:
        return "split and search" if search else "split"
    return "search" if search else "seeds"

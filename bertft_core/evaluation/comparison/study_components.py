"""Studies that differ in nothing but their study seed: how much of an arm's spread lies between them, and how much within."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bertft_core.config import StudyConfig
from bertft_core.config.base import digest_of
from bertft_core.evaluation.comparison.compared_arms import ComparedArm, is_crossed
from bertft_core.evaluation.differences import told_in_points
from bertft_core.records.comparison_record import StudyComponents
from bertft_core.statistics.variance_components import nested

LEFT_OUT = {"name", "description", "seed", "execution", "retention", "tracking", "headline", "ensemble", "probes"}
"""What may differ between two studies without their asking another question."""


def components(sides: Sequence[ComparedArm], key: str) -> tuple[StudyComponents, ...]:
    """One for each arm that two or more such studies have; `key` is `checkpoint/split/metric`.

    Between them lie the data split, the subsample and the search, within them init, order and dropout (Bouthillier et al. 2021,
    who ask that all sources of variance move between runs; the estimates are those of a nested design).
    """
    groups: dict[tuple[str, str], list[ComparedArm]] = {}
    for side in sides:
        groups.setdefault((_asks(side.results.study), side.arm.arm), []).append(side)
    return tuple(found for (_, arm), group in groups.items() for found in _of_group(arm, group, key))


def _asks(study: StudyConfig) -> str:
    return digest_of(study.model_dump(mode="json", exclude=LEFT_OUT))


def _of_group(arm: str, group: list[ComparedArm], key: str) -> Iterator[StudyComponents]:
    if len({side.results.study.seed for side in group}) < max(2, len(group)):
        return
    scores = [[score for _, score in sorted(side.scores(key).items())] for side in group]
    try:
        between, within = nested(scores)
    except ValueError:  # a study without a score, or with one run each
        return
    p = None if any(map(is_crossed, group)) else between.f_p  # runs that share seeds are not independent
    between_sd, within_sd = between.variance**0.5, within.variance**0.5
    yield StudyComponents(
        arm=arm,
        studies=tuple(side.results.study.name for side in group),
        between_sd=between_sd,
        within_sd=within_sd,
        n_seeds=tuple(len(values) for values in scores),
        sentence=_sentence(group, key, between_sd, within_sd, p),
    )


def _drawn_anew(group: Sequence[ComparedArm]) -> str:
    """What really differs between the studies: given splits stay as they are, and there may have been no search."""
    data = {tuple(split.sha256 for split in side.results.card.splits.values()) for side in group}
    searched = {digest_of(side.arm.chosen) for side in group}
    anew = [*(["the data"] if len(data) > 1 else []), *(["the searched settings"] if len(searched) > 1 else [])]
    return f"where {' and '.join(anew)} differ" if anew else "where nothing but seeds differs"


def _sentence(group: Sequence[ComparedArm], key: str, between: float, within: float, p: float | None) -> str:
    _, split, metric = key.split("/", 2)
    scale, unit, decimals = (100, " points", 2) if told_in_points(metric) else (1, "", 4)
    sizes = [f"{scale * sd:.{decimals}f}{unit}" for sd in (between, within)]
    test = "" if p is None else f" (F test p = {p:.3f})"
    return (
        f"{group[0].arm.arm} in {len(group)} studies that differ in their study seed alone: between them, {_drawn_anew(group)}, "
        f"its {metric} on {split} has a standard deviation of {sizes[0]}{test}; within them, over seeds, of {sizes[1]}"
    )

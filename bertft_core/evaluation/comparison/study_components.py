"""Studies that differ only in their study seed: how much of an arm's variance is between them, and how much within."""

from collections.abc import Iterator, Sequence

from bertft_core.config import StudyConfig
from bertft_core.config.base import digest_of
from bertft_core.config.study_config import NOT_COMPUTED
from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.records.compared_arm_record import StudyComponents
from bertft_core.statistics.variance_components import nested

MAY_DIFFER = {*NOT_COMPUTED, "seed"}
"""Settings that may differ between two studies of the same question."""


def components(arms: Sequence[ComparedArm], key: str) -> tuple[StudyComponents, ...]:
    """One for each arm that two or more such studies have; `key` is `checkpoint/split/metric`.

    Between studies the data split, the subsample and the search vary, within them init, order and dropout (Bouthillier et al.
    2021, who ask that all sources of variance vary between runs); the estimates are those of a nested design.
    """
    groups: dict[tuple[str, str], list[ComparedArm]] = {}
    for arm in arms:
        groups.setdefault((_question(arm.results.study), arm.arm.arm), []).append(arm)
    return tuple(found for (_, name), group in groups.items() for found in _of_group(name, group, key))


def _question(study: StudyConfig) -> str:
    return digest_of(study.model_dump(mode="json", exclude=MAY_DIFFER))


def _of_group(name: str, group: list[ComparedArm], key: str) -> Iterator[StudyComponents]:
    if len({arm.results.study.seed for arm in group}) < max(2, len(group)):
        return
    scores = [[score for _, score in sorted(arm.scores(key).items())] for arm in group]
    try:
        between, within = nested(scores)
    except ValueError:  # a study without a score, or only one run in each
        return
    data = {tuple(split.sha256 for split in arm.results.card.splits.values()) for arm in group}
    yield StudyComponents(
        arm=name,
        studies=tuple(arm.results.study.name for arm in group),
        between_sd=between.variance**0.5,
        within_sd=within.variance**0.5,
        n_seeds=tuple(map(len, scores)),
        f_p=None if any(arm.is_crossed or arm.has_own_splits for arm in group) else between.f_p,
        data_differ=len(data) > 1,
        settings_differ=len({digest_of(arm.arm.chosen) for arm in group}) > 1,
    )

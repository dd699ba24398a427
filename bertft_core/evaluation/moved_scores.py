"""Whether the scores of a study have moved between two executions by more than its seeds explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bertft_core.config.head_settings import Direction
from bertft_core.records.event_records import MovedScore
from bertft_core.records.summary import ArmSummary, StudySummary, scores_by_index
from bertft_core.statistics.mean_tests import holm, welch_t

LARGEST_P = 0.05


class _Pair(NamedTuple):
    arm: str
    metric: str
    before: Sequence[float]
    after: Sequence[float]


def moved_scores(before: StudySummary, after: StudySummary, directions: dict[str, Direction]) -> list[MovedScore]:
    """Every metric with a direction, on the headline's split and checkpoint, of every arm that both have.

    Runs are not paired: the same seeds give the same bits unless something has changed, and then any difference would count,
    however small beside that between seeds. So the means are tested by Welch's t (1947), all of them corrected by Holm (1979).
    """
    pairs = list(_pairs(before, after, directions))
    p_values = [welch_t(pair.after, pair.before).p for pair in pairs]
    corrected = iter(holm([p for p in p_values if p is not None]))
    return [
        _moved(pair, directions[pair.metric], after, None if p is None else next(corrected))
        for pair, p in zip(pairs, p_values, strict=True)
    ]


def _pairs(before: StudySummary, after: StudySummary, directions: dict[str, Direction]) -> Iterator[_Pair]:
    arms: dict[str, ArmSummary] = {arm.arm: arm for arm in before.arms}
    place = f"{after.headline_checkpoint}/{after.headline_split}"
    for arm in after.arms:
        for metric in directions if arm.arm in arms else ():
            key = f"{place}/{metric}"
            values = [list(scores_by_index(each, key).values()) for each in (arms[arm.arm], arm)]
            if all(values):
                yield _Pair(arm.arm, metric, *values)


def _moved(pair: _Pair, direction: Direction, summary: StudySummary, p: float | None) -> MovedScore:
    before, after = float(np.mean(pair.before)), float(np.mean(pair.after))
    has_spread = len({*pair.before}) > 1 or len({*pair.after}) > 1
    return MovedScore(
        arm=pair.arm,
        split=summary.headline_split,
        checkpoint=summary.headline_checkpoint,
        metric=pair.metric,
        direction=direction,
        before=before,
        after=after,
        sd_before=_sd(pair.before),
        sd_after=_sd(pair.after),
        n_before=len(pair.before),
        n_after=len(pair.after),
        p=p,
        is_moved=p <= LARGEST_P if p is not None else not has_spread and before != after,
    )


def _sd(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None

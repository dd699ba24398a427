"""What a comparison is asked for, checked against the studies: metric, split, checkpoint, arms and baseline."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from bertft_core.config import UserError
from bertft_core.config.head_settings import Direction
from bertft_core.evaluation.comparison.compared_arms import ComparedArm, compared_arms_of
from bertft_core.evaluation.run_scores import CHECKPOINTS
from bertft_core.planning.adaptive import interval_level
from bertft_core.storage.study_results import StudyResults

N_RESAMPLES = 10_000
MIN_RESAMPLES = 100


class ComparisonRequest(NamedTuple):
    """What the options say; None leaves it to the first study."""

    metric: str | None = None
    split: str | None = None
    checkpoint: str | None = None
    arms: tuple[str, ...] | None = None
    baseline: str | None = None
    n_resamples: int = N_RESAMPLES


class ComparisonPlan(NamedTuple):
    """The sides and what they are compared by, all of it known to be there."""

    sides: tuple[ComparedArm, ...]
    pairs: tuple[tuple[ComparedArm, ComparedArm], ...]
    """Each with its baseline behind it."""
    metrics: tuple[str, ...]
    """The headline first, then the others that a study of this head can select by."""
    split: str
    checkpoint: str
    n_resamples: int
    level: float
    """Of every interval: that of the study whose seeds were looked at most often while they were added."""

    @property
    def key(self) -> str:
        """`checkpoint/split/metric` of the headline."""
        return self.key_of(self.metrics[0])

    def key_of(self, metric: str) -> str:
        """`checkpoint/split/metric` of one metric."""
        return f"{self.checkpoint}/{self.split}/{metric}"

    def direction(self, metric: str) -> Direction:
        """Which way it is better."""
        return direction_of(self.sides[0], metric)


def direction_of(side: ComparedArm, metric: str) -> Direction:
    """Which way a metric is better; those of single labels are shares of right answers."""
    return side.results.study.head.metrics.get(metric, "maximize")


def plan_comparison(studies: Sequence[StudyResults], asked: ComparisonRequest) -> ComparisonPlan:
    """Resolve what is asked for. Raises `UserError` for what the studies do not have, and for heads that differ."""
    first = studies[0]
    kinds = {results.study.head.kind: results.study.name for results in studies}
    if len(kinds) > 1:
        raise UserError(
            "studies of different tasks cannot be compared",
            found=", ".join(f"{name} is a {kind}" for kind, name in kinds.items()),
            expected="studies whose heads are of one kind",
        )
    if asked.n_resamples < MIN_RESAMPLES:
        raise UserError("too few resamples", found=str(asked.n_resamples), expected=f"{MIN_RESAMPLES} or more")
    split, checkpoint = asked.split or first.summary.headline_split, asked.checkpoint or first.summary.headline_checkpoint
    if split not in first.card.evaluated_splits:
        _not_there("split", split, first.card.evaluated_splits)
    if checkpoint not in CHECKPOINTS:
        _not_there("checkpoint", checkpoint, CHECKPOINTS)
    sides = _sides(studies, asked.arms)
    prefix = f"{checkpoint}/{split}/"
    scored = dict.fromkeys(
        key.removeprefix(prefix)
        for side in sides
        for seed in side.seeds.values()
        for key in seed.scores
        if key.startswith(prefix)
    )
    metric = asked.metric or first.summary.headline_metric
    if asked.metric is not None and scored and metric not in scored:
        _not_there("metric", metric, tuple(scored))
    level = max(interval_level(results.study) for results in studies)
    others = [name for name in first.study.head.metrics if name in scored and name != metric]
    return ComparisonPlan(sides, _pairs(sides, asked.baseline), (metric, *others), split, checkpoint, asked.n_resamples, level)


def _sides(studies: Sequence[StudyResults], arms: tuple[str, ...] | None) -> tuple[ComparedArm, ...]:
    every = compared_arms_of(studies)
    for name in arms or ():
        if not any(name in (side.name, side.arm.arm) for side in every):
            _not_there("arm", name, tuple(side.name for side in every))
    return tuple(compared_arms_of(studies, arms))


def _pairs(sides: tuple[ComparedArm, ...], baseline: str | None) -> tuple[tuple[ComparedArm, ComparedArm], ...]:
    """Every later side against every earlier one, or every other one against the baseline."""
    if baseline is None:
        return tuple((arm, other) for i, other in enumerate(sides) for arm in sides[i + 1 :])
    found = [side for side in sides if baseline == side.name] or [side for side in sides if baseline == side.arm.arm]
    if len(found) != 1:
        _not_there("baseline", baseline, tuple(side.name for side in sides))
    return tuple((side, found[0]) for side in sides if side is not found[0])


def _not_there(what: str, name: str, known: Sequence[str]) -> NoReturn:
    near = difflib.get_close_matches(name, known, n=1)
    raise UserError(
        f"there is no such {what} to compare",
        found=name,
        expected=f"one of {', '.join(known)}",
        hint=f"did you mean '{near[0]}'?" if near else None,
    )

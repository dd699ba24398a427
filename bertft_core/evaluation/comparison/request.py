"""A comparison as requested, resolved against the studies: metric, split, checkpoint, arms and baseline."""

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.head_settings import Direction
from bertft_core.evaluation.comparison.compared_arms import ComparedArm, compared_arms_of
from bertft_core.evaluation.run_scores import CHECKPOINTS
from bertft_core.planning.adaptive import interval_level
from bertft_core.storage.study_results import StudyResults

N_RESAMPLES = 10_000
MIN_RESAMPLES, MAX_RESAMPLES = 100, 1_000_000
"""A million resamples of 100 seeds take a gigabyte, and give a p-value to its third digit."""


class ComparisonRequest(NamedTuple):
    """The options of a comparison; None leaves the choice to the first study."""

    metric: str | None = None
    split: str | None = None
    checkpoint: str | None = None
    arms: tuple[str, ...] | None = None
    baseline: str | None = None
    n_resamples: int = N_RESAMPLES


class ComparisonPlan(NamedTuple):
    """The pairs and what they are compared on, checked to be in the studies."""

    arms: tuple[ComparedArm, ...]
    pairs: tuple[tuple[ComparedArm, ComparedArm], ...]
    """(arm, baseline)"""
    metrics: tuple[str, ...]
    """The headline first, then the others that a study with this head can select by."""
    split: str
    checkpoint: str
    n_resamples: int
    level: float
    """Of every interval: the highest of the studies, which is above 95 % where seeds were added adaptively."""

    @property
    def key(self) -> str:
        """`checkpoint/split/metric` of the headline."""
        return self.key_of(self.metrics[0])

    @property
    def head(self) -> str:
        """Kind of the head, the same in all studies."""
        return self.arms[0].results.study.head.kind

    def key_of(self, metric: str) -> str:
        """`checkpoint/split/metric` of one metric."""
        return f"{self.checkpoint}/{self.split}/{metric}"

    def direction(self, metric: str) -> Direction:
        """Whether larger or smaller values are better; metrics of single labels are maximised."""
        return self.arms[0].results.study.head.metrics.get(metric, "maximize")


def plan_comparison(studies: Sequence[StudyResults], request: ComparisonRequest) -> ComparisonPlan:
    """Resolve a request. Raises `UserError` for anything that the studies do not have, and for heads of different kinds."""
    first = studies[0]
    kinds = {results.study.head.kind: results.study.name for results in studies}
    if len(kinds) > 1:
        raise UserError(
            "studies of different tasks cannot be compared",
            code="compare.different-tasks",
            found=", ".join(f"{name} is a {kind}" for kind, name in kinds.items()),
            expected="studies whose heads are of one kind",
            hint="compare them one kind at a time",
        )
    if request.n_resamples < MIN_RESAMPLES:
        raise UserError(
            "too few resamples",
            code="compare.too-few-resamples",
            found=str(request.n_resamples),
            expected=f"{MIN_RESAMPLES} or more",
            hint="leave --resamples out for the usual 10,000",
        )
    if request.n_resamples > MAX_RESAMPLES:
        raise UserError(
            "too many resamples",
            code="compare.too-many-resamples",
            found=f"{request.n_resamples:,}",
            expected=f"at most {MAX_RESAMPLES:,}",
            hint="leave --resamples out for the usual 10,000",
        )
    split = request.split or first.summary.headline_split
    checkpoint = request.checkpoint or first.summary.headline_checkpoint
    if split not in first.card.evaluated_splits:
        _refuse("split", split, first.card.evaluated_splits)
    if checkpoint not in CHECKPOINTS:
        _refuse("checkpoint", checkpoint, CHECKPOINTS)
    arms = _arms(studies, request.arms)
    prefix = f"{checkpoint}/{split}/"
    keys = (key for arm in arms for seed in arm.seeds.values() for key in seed.scores)
    scored = dict.fromkeys(key.removeprefix(prefix) for key in keys if key.startswith(prefix))
    metric = request.metric or first.summary.headline_metric
    if request.metric is not None and scored and metric not in scored:
        _refuse("metric", metric, tuple(scored))
    others = [name for name in first.study.head.metrics if name in scored and name != metric]
    level = max(interval_level(results.study) for results in studies)
    pairs = _pairs(arms, request.baseline)
    return ComparisonPlan(arms, pairs, (metric, *others), split, checkpoint, request.n_resamples, level)


def _arms(studies: Sequence[StudyResults], names: tuple[str, ...] | None) -> tuple[ComparedArm, ...]:
    known = compared_arms_of(studies)
    for name in names or ():
        if not any(name in (arm.name, arm.arm.arm) for arm in known):
            _refuse("arm", name, tuple(arm.name for arm in known))
    return tuple(compared_arms_of(studies, names))


def _pairs(arms: tuple[ComparedArm, ...], baseline: str | None) -> tuple[tuple[ComparedArm, ComparedArm], ...]:
    """Each later arm against each earlier one, or all others against the baseline."""
    if baseline is None:
        return tuple((arm, earlier) for i, earlier in enumerate(arms) for arm in arms[i + 1 :])
    found = [arm for arm in arms if baseline == arm.name] or [arm for arm in arms if baseline == arm.arm.arm]
    if len(found) != 1:
        _refuse("baseline", baseline, tuple(arm.name for arm in arms))
    return tuple((arm, found[0]) for arm in arms if arm is not found[0])


def _refuse(what: str, name: str, known: Sequence[str]) -> NoReturn:
    raise UserError(
        f"no such {what} to compare",
        code="compare.nothing-named",
        found=name,
        expected=f"one of {', '.join(known)}",
        hint=did_you_mean(name, known) or "use one of these",
    )

"""The summary of a study over its seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.config.head_settings import Direction
from bertft_core.records.comparison_record import Comparison
from bertft_core.records.insight_records import Insights
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.probe_summary import ProbeSummary
from bertft_core.records.seed_design_records import AdaptiveSeeds, SelectedSeeds
from bertft_core.records.selection_record import ModelSelection
from bertft_core.statistics.shared_by_runs import GridCell, Splits


class MetricSummary(Frozen):
    """One metric of one arm, on one split, over seeds. Numbers that cannot be computed are absent."""

    split: str
    checkpoint: str
    """final or best."""
    metric: str
    n: int
    mean: float
    sd: float | None
    """ddof 1; absent for one seed."""
    t_low: float | None
    t_high: float | None
    """t-interval of the mean, at the study's level. Runs of a crossed design share seeds: then that of two-way random effects,
    and absent without a complete grid of 3 × 3 seeds."""
    bootstrap_low: float | None
    bootstrap_high: float | None
    """Percentile bootstrap interval of the mean over seeds, at the same level; absent in a crossed design."""
    median: float
    min: float
    max: float
    collapsed_included: bool
    """Collapsed runs are included; where there are any, a second row leaves them out."""
    sd_low: float | None = None
    sd_high: float | None = None
    """95 % chi-square interval of the sd, for normal scores; in a crossed design that of one run with seeds of its own."""
    sd_unbiased: float | None = None
    """sd / c4(n): its mean is the sd of the population, for normal scores; absent in a crossed design."""
    iqm: float | None = None
    """Interquartile mean: of the middle half of the runs; the mean when there are three or fewer."""
    quantiles: dict[str, float] = {}
    """`0.05`, `0.25`, `0.75`, `0.95` → value, linear between runs."""


class Rate(Frozen):
    """A count of runs, with the 95 % Wilson interval of their share."""

    count: int
    of: int
    share: float
    low: float
    high: float


class CrossedCell(Frozen):
    """The place of a run in a crossed design; all numbers start at 0."""

    init: int
    order: int
    replicate: int = 0
    """Runs of one cell differ only in the dropout seed."""


class DrawnSplit(Frozen):
    """The split of a run in a split design; all numbers start at 0."""

    split: int
    repeat: int
    fold: int
    seed: int
    """Which of the seeds on this split."""
    test_to_train: float
    """Examples that it tests on, for each one that it trains or validates on."""


class SeedScore(Frozen):
    """One run in the table of every seed."""

    index: int
    status: str
    run_digest: str
    weights_sha256: str | None
    init_seed: int
    order_seed: int
    dropout_seed: int
    best_step: int | None
    scores: dict[str, float]
    """`checkpoint/split/metric` → value."""
    error: str | None = None
    cell: CrossedCell | None = None
    """In a crossed design."""
    split: DrawnSplit | None = Field(None, exclude_if=left_out_if(None))
    """In a split design."""


class Ensemble(Frozen):
    """The seeds of an arm as one model, which predicts with the mean of their probabilities."""

    seeds: tuple[int, ...]
    """Indices of its members: all seeds that ended with a score, collapsed ones too."""
    scores: dict[str, float] = {}
    """`checkpoint/split/metric` → value; empty where there is no ensemble."""
    mean_of_seeds: float | None = None
    """Mean of the headline metric over the same seeds, each alone."""
    n_unreadable: int = 0
    """Runs that ended with a score and are not in it because their predictions are gone."""
    refused: NotComputed | None = None
    """Why there is no ensemble."""


class ArmSummary(Frozen):
    """One arm over its seeds."""

    arm: str
    n_planned: int
    counts: dict[str, int]
    """Status → runs, and 'missing'."""
    metrics: tuple[MetricSummary, ...]
    seeds: tuple[SeedScore, ...]
    chosen: dict[str, bool | int | float | str] = {}
    """Setting a search chose."""
    grid_values: dict[str, Any] = Field({}, exclude_if=lambda values: not values)
    """Settings that a grid has given the arm, by their dotted names."""
    ensemble: Ensemble | None = None
    """Where the study asks for it."""
    collapse_rate: Rate | None = None
    """Runs that did not learn (collapsed or diverged) among those that ended by themselves (ok, collapsed or diverged)."""
    n_censored: int = 0
    """Runs that were stopped early (pruned): they are counted here and enter no mean."""
    selected: SelectedSeeds | None = None
    """Many seeds started and the best went on; then `metrics` is that of the best one, and `seeds` are not a random sample."""


class GainOverMajority(Frozen):
    """Headline metric of an arm minus that of the constant predictor, over the arm's seeds; collapsed runs are included."""

    arm: str
    constant_score: float
    """Of the constant prediction (`constant` of the head's metrics), on the headline split."""
    n: int
    """Seeds with a score."""
    mean: float
    t_low: float | None
    t_high: float | None
    """t-interval at the study's level; absent below three seeds, and without a complete grid in a crossed design."""
    n_agreeing: int | None = None
    """Seeds whose gain has the sign of the mean; absent in summaries of older versions."""


class Nondeterminism(Frozen):
    """How much runs of one arm with identical seeds differ."""

    arm: str
    n: int
    """Runs that ended with weights, the first one among them."""
    n_without_weights: int = 0
    """Further runs that ended without."""
    device: str | None = None
    """Where they ran, as far as it was recorded."""
    bitwise: bool
    """All end with the same weights."""
    largest_difference: float | None
    """Of the headline metric; absent when none has a score."""
    sd: float | None
    """Of the headline metric, ddof 1; absent for fewer than two scores."""


class StudySummary(Frozen):
    """The answer of a study."""

    version: int = 2
    study: str
    study_digest: str
    data_fingerprint: str
    headline_split: str
    headline_checkpoint: str
    headline_metric: str
    arms: tuple[ArmSummary, ...]
    head: str | None = None
    """Kind of the head, such as classification; absent, as the direction, in summaries of older versions."""
    headline_direction: Direction | None = None
    gains_over_majority: tuple[GainOverMajority, ...] = ()
    """Of every arm with a score, where the constant predictor has one."""
    floors: tuple[Nondeterminism, ...] = ()
    """Of the arms whose first seed was repeated."""
    probes: ProbeSummary | None = None
    """Forgetting and calibration, where the study asks for them."""
    insights: Insights | None = None
    """Variance components, agreement, seeds needed, budgets; absent in summaries of older versions."""
    comparison: Comparison | None = None
    """Every pair of arms; absent where there is nothing to compare, and in summaries of older versions."""
    adaptive: AdaptiveSeeds | None = None
    """Seeds were added until an interval was narrow; then every t-interval here has its level."""
    model_selection: ModelSelection | None = None
    """What was chosen by scores; absent in summaries of older versions."""

    @property
    def level(self) -> float:
        """Of the intervals of means: 0.95, or `AdaptiveSeeds.level` where seeds were added until one was narrow enough."""
        return 0.95 if self.adaptive is None else self.adaptive.level

    @property
    def headline_key(self) -> str:
        """`checkpoint/split/metric` of the headline."""
        return f"{self.headline_checkpoint}/{self.headline_split}/{self.headline_metric}"


def scores_by_index(arm: ArmSummary, key: str) -> Mapping[int, float]:
    """Seed index → score, of the runs that have one."""
    return {seed.index: seed.scores[key] for seed in arm.seeds if key in seed.scores}


def shared_by(seeds: Sequence[SeedScore]) -> Sequence[GridCell] | Splits | None:
    """What these runs share in a crossed or a split design; None of any other."""
    splits = [seed.split for seed in seeds if seed.split is not None]
    if not splits or len(splits) != len(seeds):
        return cells_of(seeds)
    ratio = sum(each.test_to_train for each in splits) / len(splits)
    return Splits(tuple(each.split for each in splits), ratio)


def cells_of(seeds: Sequence[SeedScore]) -> list[GridCell] | None:
    """(init, order) places of runs of a crossed design; None of any other design."""
    found = [(seed.cell.init, seed.cell.order) for seed in seeds if seed.cell is not None]
    return found if found and len(found) == len(seeds) else None

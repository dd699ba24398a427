"""What the runs of a study show beyond their means: sources of variance, flipping answers, what seeds and budgets buy."""

from typing import Literal

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.records.not_computed import NotComputed


class Component(Frozen):
    """How much of the variance over runs one source brings."""

    source: str
    """`init`, `order`, `interaction` or `residual` (dropout alone with replicates, else everything that is left); `split` and
    `seeds` of a split design; of studies `between` or `within`."""
    df: int
    mean_square: float
    raw: float
    """ANOVA estimate of the variance, in units of the metric squared; may be negative."""
    variance: float
    """`raw`, or 0 where that is negative."""
    low: float | None
    high: float | None
    """95 % interval of the variance."""
    share: float | None
    """Of the sum of all `variance`s; absent when nothing varies."""
    f: float | None = None
    f_p: float | None = None
    """p-value of the F test that the source contributes nothing."""
    range: float | None = None
    """Largest minus smallest mean over the levels of the source (Dodge 2020)."""
    range_p: float | None = None
    """Its permutation test, (k + 1)/(n + 1)."""


class VarianceComponents(Frozen):
    """The headline metric of one arm over a grid of init × order seeds, or over splits with several seeds each."""

    arm: str
    metric: str
    split: str
    checkpoint: str
    n_init: int | None = None
    n_order: int | None = None
    n_replicates: int | None = None
    """Runs of each cell that differ in nothing but their dropout seed."""
    n_splits: int | None = Field(None, exclude_if=left_out_if(None))
    """Of a split design, which has no grid."""
    n_runs: int
    """That were analysed."""
    n_left_out: int = 0
    """Runs with a score outside the largest complete grid."""
    mean: float
    mean_se: float
    """Standard error of `mean`; runs share seeds or examples, so it is larger than sd/√n of as many independent runs."""
    floor_sd: float | None = None
    """sd of the repeats with identical seeds, where there are any: a part of the residual that no seed fixes."""
    n_floor: int | None = None
    """Repeats with a score."""
    components: tuple[Component, ...]


class StudyVariance(Frozen):
    """Variance between and within studies that differ in the seed of their data split or of their search."""

    arm: str
    metric: str
    split: str
    checkpoint: str
    source: Literal["split", "search", "split and search", "seeds"]
    """What differs between the studies: their data split, the outcome of their search, both, or nothing but seeds."""
    studies: tuple[str, ...]
    means: tuple[float, ...]
    """Of each study, over its seeds."""
    between: Component
    within: Component
    """In a crossed design both have no interval and no test."""


class FlippingExample(Frozen):
    """One example, word, label or question that seeds answer differently."""

    example_id: str
    part: str | None = None
    """Which label, or which word (counted from 1), where an example has several answers."""
    text: str | None = None
    """The beginning of its text, where that is at hand."""
    gold: str
    answers: dict[str, int | float]
    """Answer → seeds that gave it, the most frequent first; of regression `mean`, `sd`, `min` and `max`."""
    n_right: int | None = None
    """Seeds that are right; absent for regression."""
    disagreement: float
    """Share of pairs of seeds that differ; of regression the sd of the answers."""


class Agreement(Frozen):
    """How far the seeds of one arm give the same answers, at the headline's checkpoint and split."""

    arm: str
    split: str
    checkpoint: str
    kind: str
    """Kind of the head."""
    unit: str
    """What is counted: example, label, word, question."""
    n_seeds: int
    n_units: int
    fleiss_kappa: float | None = None
    """1 for the same answers everywhere, 0 for as many as by chance; absent for regression and where all answers are one."""
    disagreement: float | None = None
    """Mean over units of the share of pairs of seeds that differ; absent for regression."""
    jensen_shannon: float | None = None
    """Mean over units of the divergence between the seeds' probabilities, in nats; absent where none are stored."""
    mean_sd: float | None = None
    """Of regression: mean over examples of the sd of the answers over seeds, in the unit of the labels."""
    n_unanimous: int | None = None
    """Units that all seeds answer alike."""
    n_flipping: int | None = None
    """Units that some seeds get right and others wrong."""
    most_flipping: tuple[FlippingExample, ...] = ()


class BestOfN(Frozen):
    """The best validation score to expect of n runs or trials."""

    n: int
    v: float
    """With replacement (Dodge 2019): biased low."""
    v_sd: float
    u: float
    """Without replacement (Tang 2020): unbiased, more variable."""
    u_sd: float
    hours: float | None
    """Of n runs, at their mean time."""


class BudgetView(Frozen):
    """Expected best validation score by budget."""

    arm: str
    source: Literal["trials", "seeds"]
    metric: str
    n_values: int
    points: tuple[BestOfN, ...] = ()
    crossed: bool = False
    """The runs share seeds, while the curve assumes independent runs."""
    refused: NotComputed | None = None
    """Why there is no curve."""


class SeedsPoint(Frozen):
    """What n seeds would give at the observed spread."""

    n: int
    half_width: float
    """Of the t-interval of the mean, at the level of `SeedsNeeded`."""
    detectable: float
    """Smallest true difference that a two-sided test at 1 − level detects with a power of 80 %."""


class SeedsNeeded(Frozen):
    """What the present seeds of an arm can detect, and how many would be needed."""

    arm: str
    baseline: str | None = None
    """Given where the numbers are of the paired differences to this arm; absent where they are of the arm's own scores."""
    metric: str
    split: str
    checkpoint: str
    n: int
    mean: float
    sd: float
    half_width: float
    """At the present n."""
    detectable: float
    """At the present n."""
    n_for_observed: int | None = None
    """Pairs of seeds for a power of 80 % if the observed difference is the true one; absent without a baseline, a difference or a
    spread, when out of reach, and where a pair `needs_examples`."""
    needs_examples: bool = False
    """No number of seeds would bring a claim (`PairComparison.needs_examples`)."""
    curve: tuple[SeedsPoint, ...]
    """Empty where all seeds score the same."""
    level: float = 0.95
    """Of the intervals, and 1 − the level of the tests; above 0.95 where seeds were added adaptively."""
    crossed: bool = False
    """The runs share seeds, while all these numbers assume independent runs: they are optimistic."""

    @property
    def name(self) -> str:
        """`full`, or `full − features`."""
        return self.arm if self.baseline is None else f"{self.arm} − {self.baseline}"


class SeedsFor(Frozen):
    """How many seeds are needed for a precise mean, or to detect a difference, at one spread."""

    arm: str | None = None
    """Whose spread; absent where the sd was given."""
    baseline: str | None = None
    """Given where the spread is that of the paired differences to this arm."""
    metric: str | None = None
    """Absent where the sd was given."""
    sd: float
    paired: bool
    n: int | None = None
    """Seeds that the sd was estimated from; absent where it was given."""
    aim: Literal["half_width", "power"]
    value: float
    """Half width of the interval of the mean, or true difference to be detected; in units of the metric."""
    level: float = 0.95
    """Of the interval, and 1 − the level of the test."""
    power: float | None = None
    """With which the difference is to be detected."""
    n_needed: int | None
    """Seeds of the arm, or pairs, or seeds of each of two arms; absent when out of reach."""
    n_low: int | None = None
    n_high: int | None = None
    """The same at the ends of the 95 % interval of the sd."""


class Schedule(Frozen):
    """Start some runs, stop all at a share of the training, keep the best of them to the end."""

    start: int
    stop_at: float
    """Share of training before the cut, in (0, 1]; 1 is no cut."""
    keep: int
    cost: float
    """In whole runs: start · stop_at + keep · (1 − stop_at)."""
    expected: float
    """Best validation score to expect."""
    sd: float


class StartManyView(Frozen):
    """Which schedule would have paid, simulated from the validation curves of finished runs (Dodge 2020)."""

    arm: str
    metric: str
    n_curves: int
    n_evaluations: int
    best: tuple[Schedule, ...] = ()
    """The best schedule of each budget, the smallest budget first."""
    uncut: tuple[Schedule, ...] = ()
    """The same budgets spent on whole runs."""
    worthwhile: int | None = None
    """Place in `best` of the schedule that gains most over whole runs; absent where no gain exceeds the noise."""
    refused: NotComputed | None = None


class Insights(Frozen):
    """All of these for one study; what cannot be computed is left out or refused with a reason."""

    variance: tuple[VarianceComponents, ...] = ()
    """Of arms with a crossed or a split design."""
    variance_refused: tuple[NotComputed, ...] = ()
    """Arms of such a design that have none."""
    agreement: tuple[Agreement, ...] = ()
    agreement_refused: tuple[NotComputed, ...] = ()
    budgets: tuple[BudgetView, ...] = ()
    seeds_needed: tuple[SeedsNeeded, ...] = ()
    start_many: tuple[StartManyView, ...] = ()

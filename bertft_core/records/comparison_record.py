"""Every pair of arms compared: differences, their intervals and tests, and which of them are claimed.

A number that cannot be computed is None. Scores and differences are in the metric's own unit, 0.01 for one point of accuracy.
Differences are always arm minus baseline; a p-value is two-sided unless its name says otherwise. The sentences are those of
`bertft_core.report.prose.comparison_text`.
"""

from typing import Literal

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.config.head_settings import Direction
from bertft_core.records.compared_arm_record import ComparedArmRecord, StudyComponents

COMPARISON_VERSION = 2
COMPARISON_FILE = "comparison.json"

Source = Literal["seeds", "examples"]
Resampled = Literal["both", "seeds", "examples", "splits"]
Verdict = Literal["claimed", "inconclusive"]
NoteKind = Literal[
    "metric_not_resampled", "too_many_numbers", "predictions_missing", "different_examples", "separate_examples",
    "few_seeds", "few_resamples", "single_stream", "crossed_design", "adaptive_seeds", "split_design",
]  # fmt: skip


class TestedDifference(Frozen):
    """A difference's interval at the comparison's level, and the p-value of no difference."""

    low: float
    high: float
    p: float


class ResampledDifference(TestedDifference):
    """A resampled difference, corrected for few seeds.

    See `bertft_core.statistics.multi_bootstrap`; the published percentile interval (Sellam et al. 2022) is given as well.
    """

    percentile_low: float | None = None
    percentile_high: float | None = None
    percentile_p: float | None = None


class IntervalEstimate(Frozen):
    """A number with its interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


class NamedTest(Frozen):
    """One test, under the name that the literature gives it, such as 'paired t' or 'Brown-Forsythe'."""

    name: str
    statistic: float | None
    p: float | None


class SplitTest(TestedDifference):
    """The difference of means over splits of the same examples; the interval is that of the corrected resampled t-test."""

    name: Literal["corrected resampled t", "5x2cv F"]
    """The test that `p` is of: the one with the largest p-value."""


class SplitSample(Frozen):
    """Splits of the same examples, whose runs are not independent.

    See `bertft_core.statistics.repeated_splits` and `split_tests`.
    """

    n_splits: int
    folds: int | None = None
    """Of cross-validation, with its planned `repeats`."""
    repeats: int | None = None
    test_to_train: float
    """Examples that a split tests on, for each one that it learns from."""
    test: SplitTest | None = None
    """None where the difference is the same on every split."""


class AlmostStochasticOrder(Frozen):
    """Almost stochastic order (Dror et al. 2019): the arm is better than the baseline where `eps_min` is under `tau`."""

    eps_min: float
    tau: float
    confidence: float
    """Of the bound, after the correction for the number of pairs."""
    is_better: bool = False
    """`eps_min` is under `tau`, and there are enough seeds for that to be meaningful (`bertft_core.statistics.aso`)."""


class Disagreement(Frozen):
    """On how many examples both arms, one or none is right: means over the compared seeds."""

    both_right: float
    only_arm: float
    only_baseline: float
    both_wrong: float
    statistic: float | None
    """Of the McNemar-type test; None where no example tells the two apart."""
    p: float | None

    @property
    def ratio(self) -> float:
        """Share of the examples on which exactly one of the two is right."""
        total = self.both_right + self.only_arm + self.only_baseline + self.both_wrong
        return (self.only_arm + self.only_baseline) / total


class WithoutCollapsed(Frozen):
    """The same pair without its collapsed runs: descriptive only, since leaving out failures is a choice made after the fact."""

    n_seeds_arm: int
    n_seeds_baseline: int
    difference: float
    both: ResampledDifference | None


class PairComparison(Frozen):
    """One arm against another on one metric."""

    checkpoint: str
    """final or best."""
    split: str
    metric: str
    direction: Direction
    arm: str
    """Name of a `ComparedArmRecord`."""
    baseline: str
    paired: bool
    """Runs are resampled in pairs that share their init, order and dropout seed."""
    n_shared_seeds: int | None = None
    """Runs of each arm that have such a partner; at least three are needed for pairing."""
    crossed: bool = False
    """The runs of an arm share init and order seeds: nothing is tested, and init and order seeds are resampled separately."""
    n_seeds_arm: int
    n_seeds_baseline: int
    n_resamples: int | None = None
    """Resamples of this pair: fewer than the comparison's on metrics that are not the headline; None in older comparisons."""
    n_examples: int | None = None
    """Examples that both arms answered; None where the examples were not resampled together."""
    unit: str | None = None
    """What one example is: example, sentence, question or text; None where the examples were not resampled."""

    mean_arm: float
    mean_baseline: float
    difference: float
    both: ResampledDifference | None = None
    """Seeds and examples resampled."""
    seeds: ResampledDifference | None = None
    """Seeds resampled, examples fixed."""
    examples: ResampledDifference | None = None
    """Examples resampled, seeds fixed."""
    splits: SplitSample | None = Field(None, exclude_if=left_out_if(None))
    """In a split design; there `both` and `examples` resample the pooled out-of-fold predictions, with repeats for seeds."""
    source: Source | None = None
    """The larger source of uncertainty; None where one of the two could not be resampled."""
    seeds_share: float | None = None
    """Variance over seeds alone, as a share of the sum of that and the variance over examples alone."""

    superiority: IntervalEstimate | None = None
    """P(A > B): how often a run of the arm is better than one of the baseline, ties half; better by the metric's direction."""
    aso: AlmostStochasticOrder | None = None
    tests: tuple[NamedTest, ...] = ()
    """Of the difference of means, over the seeds."""
    stability: tuple[NamedTest, ...] = ()
    """Of equal spread over the seeds."""
    sd_ratio: IntervalEstimate | None = None
    """Standard deviation of the arm over that of the baseline."""
    disagreement: Disagreement | None = None
    effects: dict[str, float] = {}
    """Effect size by name: cohens_d, hedges_g, cliffs_delta and, of paired runs, paired_d."""

    p_value: float | None = None
    """The largest of `both`, `seeds` and `examples`, since a difference must hold for each; `p_of` says which one it is. In a
    split design that of `splits`."""
    p_of: Resampled | None = None
    p_holm: float | None = None
    """`p_value` after Holm's correction over all pairs and metrics of the comparison."""
    p_many_seeds: float | None = None
    """As `p_holm`, if all pairs had arbitrarily many seeds and the same differences; None where examples were not resampled."""
    claimed: bool = False
    """The difference is claimed: `p_holm` is at most 1 - level."""
    without_collapsed: WithoutCollapsed | None = None
    """Where either arm has collapsed runs."""

    @property
    def verdict(self) -> Verdict:
        """What every report of the pair says."""
        return "claimed" if self.claimed else "inconclusive"

    @property
    def interval(self) -> TestedDifference | None:
        """Over splits in a split design, over seeds and examples where both were resampled, else over seeds alone."""
        return self.both or self.seeds if self.splits is None else self.splits.test

    @property
    def pooled_difference(self) -> float | None:
        """Of the pooled out-of-fold predictions, in a split design: the middle of both intervals that resample these."""
        if self.splits is None or self.examples is None:
            return None
        return (self.examples.low + self.examples.high) / 2

    @property
    def key(self) -> str:
        """`checkpoint/split/metric`, as in `ComparedArmRecord.scores`."""
        return f"{self.checkpoint}/{self.split}/{self.metric}"

    def needs_examples(self, level: float) -> bool:
        """No number of seeds would bring a claim at the comparison's level: the uncertainty is of the examples."""
        return self.source == "examples" and self.p_many_seeds is not None and self.p_many_seeds > 1 - level

    @property
    def better(self) -> str | None:
        """The arm with the better mean; None where they are equal."""
        if self.difference == 0:
            return None
        return self.arm if (self.difference > 0) == (self.direction == "maximize") else self.baseline


class Refusal(Frozen):
    """Why an arm, or a pair of arms, is not compared; `scores_missing`: not on the headline metric, as a run has no score."""

    reason: Literal[
        "selected_seeds", "few_seeds", "missing_split", "other_labels", "other_data", "other_splits", "same_test_set",
        "other_tokens", "scores_missing",
    ]  # fmt: skip
    arm: str
    baseline: str | None = None
    """None where the arm is compared with no other."""
    n_examples: tuple[int | None, int | None] | None = None
    """In the compared split of the arm and of the baseline, where these are the reason; None of an arm without that split."""


class ComparisonNote(Frozen):
    """Something to know when reading the pairs: what was not resampled, and designs whose seeds are not a plain sample."""

    kind: NoteKind
    metric: str | None = None
    """Whose examples are not resampled."""
    arm: str | None = None
    baseline: str | None = None
    seed: int | None = None
    """Index of the seed whose predictions are missing, or of different examples than the others'."""
    study: str | None = None
    stream: str | None = None
    """The only seed that differs between runs: init, order or dropout."""
    n: int | None = None
    """Seeds of the smallest arm, or resamples that would be enough."""


class Comparison(Frozen):
    """Every pair of arms on the headline metric and on the others of its split."""

    version: int = COMPARISON_VERSION
    title: str
    studies: tuple[str, ...]
    level: float
    """Of every interval; differences are claimed where `p_holm` is at most 1 - level."""
    n_resamples: int
    headline_metric: str
    headline_split: str
    headline_checkpoint: str
    headline_direction: Direction
    arms: tuple[ComparedArmRecord, ...]
    pairs: tuple[PairComparison, ...] = ()
    """The pairs of the headline metric first."""
    n_tests: int = 0
    """Pairs and metrics that Holm's correction is over."""
    components: tuple[StudyComponents, ...] = ()
    refused: tuple[Refusal, ...] = ()
    notes: tuple[ComparisonNote, ...] = ()

    @property
    def headline_key(self) -> str:
        """`checkpoint/split/metric` of the headline."""
        return f"{self.headline_checkpoint}/{self.headline_split}/{self.headline_metric}"

    @property
    def headline_pairs(self) -> tuple[PairComparison, ...]:
        """The pairs of the headline metric."""
        return tuple(pair for pair in self.pairs if pair.key == self.headline_key)

    def arm(self, name: str) -> ComparedArmRecord:
        """The arm of this name. Raises `KeyError`."""
        found = next((arm for arm in self.arms if arm.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def pair(self, arm: str, baseline: str, key: str | None = None) -> PairComparison | None:
        """The pair as it was compared (never reversed), on the headline or on another metric key."""
        named = (arm, baseline, key or self.headline_key)
        return next((pair for pair in self.pairs if (pair.arm, pair.baseline, pair.key) == named), None)

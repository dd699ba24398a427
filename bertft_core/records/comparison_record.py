"""What can be claimed of every pair of arms: differences, how sure they are, and what the doubt comes from.

A number that cannot be computed is None. Scores and differences are in the metric's own unit, 0.01 for one point of accuracy.
Differences are always arm minus baseline; a p-value is two-sided unless its name says otherwise.
"""

from __future__ import annotations

from typing import Literal

from bertft_core.config.base import Frozen
from bertft_core.config.head_settings import Direction

COMPARISON_VERSION = 1
COMPARISON_FILE = "comparison.json"

Source = Literal["seeds", "examples"]


class ResampledDifference(Frozen):
    """A resampled difference: its interval at the comparison's level and the p-value of no difference.

    They are corrected for how few seeds there are, as `bertft_core.statistics.multi_bootstrap` says; the published percentile
    interval (Sellam et al. 2022) stands beside them.
    """

    low: float
    high: float
    p: float
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


class AlmostStochasticOrder(Frozen):
    """Almost stochastic order (Dror et al. 2019): the arm is better than the baseline where `eps_min` is under `tau`."""

    eps_min: float
    tau: float
    confidence: float
    """Of the bound, after the correction for the number of pairs."""
    is_better: bool = False
    """`eps_min` is under `tau`, and there are seeds enough for that to mean something (`bertft_core.statistics.aso`)."""


class Disagreement(Frozen):
    """On how many examples two arms are right and wrong together, as means over the seeds compared."""

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
    """The same pair without its collapsed runs. It describes: leaving out what failed is a choice made after the fact."""

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
    """Seeds are resampled in pairs that share their three seeds."""
    pairing: str
    """Why they are paired or not, in one clause."""
    crossed: bool = False
    """Runs of a side share init and order seeds with each other: nothing is tested, and seeds are resampled by kind."""
    n_seeds_arm: int
    n_seeds_baseline: int
    n_examples: int | None = None
    """Examples that both sides answered; None where the examples were not resampled."""
    unit: str | None = None
    """What one example is: example, sentence, question or text; None where the examples were not resampled."""

    mean_arm: float
    mean_baseline: float
    difference: float
    both: ResampledDifference | None = None
    """Seeds and examples resampled: other seeds and other data of the same kind could have come."""
    seeds: ResampledDifference | None = None
    """Seeds resampled, the examples as they are."""
    examples: ResampledDifference | None = None
    """Examples resampled, the seeds as they are."""
    source: Source | None = None
    """Where the doubt about the difference comes from mostly; None where one of the two could not be resampled."""
    seeds_share: float | None = None
    """Variance of the difference over seeds alone, as a share of that over seeds alone plus that over examples alone."""

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
    """Effect size by name: cohens_d, hedges_g, cliffs_delta."""

    p_value: float | None = None
    """Of the verdict: the largest of `both`, `seeds` and `examples`, since a difference must hold for each; `p_of` says which."""
    p_of: str | None = None
    p_holm: float | None = None
    """`p_value` after Holm's correction over all pairs and metrics of the comparison."""
    claimed: bool = False
    """The difference is claimed: `p_holm` is at most 1 - level."""
    without_collapsed: WithoutCollapsed | None = None
    """Where either side has collapsed runs."""
    sentence: str
    """What is claimed, how sure, what is not decided yet, and where the doubt comes from."""

    @property
    def key(self) -> str:
        """`checkpoint/split/metric`, as in `ComparedArmRecord.scores`."""
        return f"{self.checkpoint}/{self.split}/{self.metric}"

    @property
    def better(self) -> str | None:
        """The side with the better mean; None where they are equal."""
        if self.difference == 0:
            return None
        return self.arm if (self.difference > 0) == (self.direction == "maximize") else self.baseline


class ComparedArmRecord(Frozen):
    """One side of the pairs: an arm of a study over its seeds."""

    name: str
    """The arm; `study · arm` where several studies are compared."""
    study: str
    arm: str
    n_seeds: int
    """Seeds that are compared; collapsed runs are among them."""
    counts: dict[str, int]
    """Status → runs, and 'missing'."""
    seeds: tuple[int, ...]
    """Indices of the compared seeds."""
    collapsed: tuple[int, ...] = ()
    """Those of them that collapsed."""
    scores: dict[str, dict[int, float]]
    """`checkpoint/split/metric` → seed index → score."""
    data_fingerprint: str
    cells: dict[int, tuple[int, int]] = {}
    """Seed index → (init, order) place in a crossed design, whose runs share seeds; empty in any other."""
    left_out: tuple[str, ...] = ()
    """Why runs are not compared, each in a clause: '2 of 30 runs diverged'."""

    def values(self, key: str) -> list[float]:
        """The scores of one metric by rising seed index; empty where there are none."""
        return [score for _, score in sorted(self.scores.get(key, {}).items())]


class StudyComponents(Frozen):
    """One arm in several studies that differ in nothing but their study seed, and in what was drawn from it.

    Source: Bouthillier et al. 2021, who let every source of variance vary between runs.
    """

    arm: str
    studies: tuple[str, ...]
    between_sd: float | None
    """Standard deviation between studies: split, subsample and search."""
    within_sd: float | None
    """Standard deviation over the seeds of one study."""
    n_seeds: tuple[int, ...]
    sentence: str


class Comparison(Frozen):
    """Every pair of arms on the headline metric and on the others of its split."""

    version: int = COMPARISON_VERSION
    title: str
    studies: tuple[str, ...]
    level: float
    """Of every interval; differences are claimed at 1 - level."""
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
    refused: tuple[str, ...] = ()
    """Why a comparison was not made, each in a sentence."""
    notes: tuple[str, ...] = ()
    """What to know when reading the pairs, such as metrics whose examples cannot be resampled."""

    @property
    def headline_key(self) -> str:
        """`checkpoint/split/metric` of the headline."""
        return f"{self.headline_checkpoint}/{self.headline_split}/{self.headline_metric}"

    @property
    def headline_pairs(self) -> tuple[PairComparison, ...]:
        """The pairs of the headline metric."""
        return tuple(pair for pair in self.pairs if pair.key == self.headline_key)

    def arm(self, name: str) -> ComparedArmRecord:
        """The side of this name. Raises `KeyError`."""
        found = next((arm for arm in self.arms if arm.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def pair(self, arm: str, baseline: str, key: str | None = None) -> PairComparison | None:
        """The pair of two sides, as it was compared (never turned round), on the headline or on another metric key."""
        wanted = (arm, baseline, key or self.headline_key)
        return next((pair for pair in self.pairs if (pair.arm, pair.baseline, pair.key) == wanted), None)

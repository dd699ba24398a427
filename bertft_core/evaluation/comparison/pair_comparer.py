"""Two arms compared on every metric: over seeds and examples, or over splits of the same examples."""

from typing import Any, NamedTuple

import numpy as np

from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.evaluation.comparison.example_scores import ExampleResampling, ExampleScores
from bertft_core.evaluation.comparison.pair_estimates import Sample, estimate
from bertft_core.evaluation.comparison.pairing import Pairing
from bertft_core.evaluation.comparison.pooled_predictions import PooledScores, pooled_scores
from bertft_core.evaluation.comparison.request import ComparisonPlan
from bertft_core.evaluation.comparison.seed_tests import SeedTestSettings
from bertft_core.evaluation.comparison.split_pairs import Pooled, estimate_on_splits, splits_of
from bertft_core.records.comparison_record import PairComparison
from bertft_core.records.summary import cells_of
from bertft_core.statistics.shared_by_runs import Splits

Side = tuple[ComparedArm, tuple[int, ...]]
"""An arm and its compared seeds."""
Found = tuple[dict[str, Any], ExampleScores | PooledScores | None]
"""Fields of `PairComparison`, and what was resampled of the examples of both arms."""


class ArmPair(NamedTuple):
    """Two arms that can be compared."""

    arm: ComparedArm
    baseline: ComparedArm
    pairing: Pairing
    same: bool
    """Both have the same examples."""

    def is_scored(self, key: str) -> bool:
        """Both have a score of this `checkpoint/split/metric` in every compared seed."""
        return self.pairing.is_scored(self.arm.scores(key), self.baseline.scores(key))


class PairComparer:
    """Compares pairs of arms by one plan."""

    def __init__(self, plan: ComparisonPlan, samples: ExampleResampling, bootstrap_seed: int) -> None:
        self._plan, self._samples, self._seed = plan, samples, bootstrap_seed
        self._pooled: dict[str, PooledScores | None] = {}

    def on(self, metric: str, pair: ArmPair) -> PairComparison:
        """The comparison on a metric that the pair is scored on."""
        arm, baseline, pairing, same = pair
        plan, splits = self._plan, splits_of(arm, pairing.arm)
        settings = SeedTestSettings(
            paired=pairing.paired,
            direction=plan.direction(metric),
            is_headline=metric == plan.metrics[0],
            n_pairs=len(plan.pairs),
            n_resamples=plan.n_resamples,
            bootstrap_seed=self._seed,
            level=plan.level,
        )
        sides = ((arm, pairing.arm), (baseline, pairing.baseline))
        if splits is None:
            found, examples = self._over_seeds(metric, sides, same, settings)
        else:
            found, examples = self._over_splits(metric, sides, splits, settings)
        return PairComparison(
            checkpoint=plan.checkpoint,
            split=plan.split,
            metric=metric,
            direction=settings.direction,
            arm=arm.name,
            baseline=baseline.name,
            paired=pairing.paired,
            n_shared_seeds=pairing.n_shared,
            n_seeds_arm=len(pairing.arm),
            n_seeds_baseline=len(pairing.baseline),
            n_examples=len(examples.example_ids) if examples is not None and (same or splits is not None) else None,
            unit=None if examples is None else examples.unit,
            **found,
        )

    def _over_seeds(self, metric: str, sides: tuple[Side, Side], same: bool, settings: SeedTestSettings) -> Found:
        arm, baseline = (self._sample(*side, metric, same) for side in sides)
        found = estimate(arm, baseline, settings)
        # seeds alone say nothing about how hard the examples of either arm are
        if found["both"] is None and not same:
            found |= {"p_value": None, "p_of": None}
        return found, None if found["both"] is None else self._samples.example_scores(sides[0][0])

    def _over_splits(self, metric: str, sides: tuple[Side, Side], splits: Splits, settings: SeedTestSettings) -> Found:
        key = self._plan.key_of(metric)
        first, second = (np.array([arm.scores(key)[seed] for seed in seeds]) for arm, seeds in sides)
        arm, baseline = (self._pooled_of(arm) for arm, _ in sides)
        pooled = None if arm is None or baseline is None else Pooled(arm, baseline)
        settings = settings._replace(n_resamples=self._samples.n_resamples(metric))
        return estimate_on_splits((first, second), splits, pooled, metric, settings), arm if pooled is not None else None

    def _pooled_of(self, arm: ComparedArm) -> PooledScores | None:
        """Out-of-fold predictions, read once; only the test parts of the folds are predicted out of fold."""
        if arm.name not in self._pooled:
            self._pooled[arm.name] = pooled_scores(arm, self._plan.checkpoint) if self._plan.split == "test" else None
        return self._pooled[arm.name]

    def _sample(self, arm: ComparedArm, seeds: tuple[int, ...], metric: str, same: bool) -> Sample:
        collapsed, right = set(arm.collapsed), self._samples.right(arm, seeds) if same else None
        cells = cells_of([arm.seeds[seed] for seed in seeds])
        draws = self._samples.draws(arm, metric, seeds)
        return Sample(draws, tuple(seed in collapsed for seed in seeds), right, None if cells is None else tuple(cells))

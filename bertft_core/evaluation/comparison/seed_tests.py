"""Statistics of a pair over its seeds alone: P(A > B), effect sizes, tests of equal means and of equal spread."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertft_core.config.head_settings import Direction
from bertft_core.records.comparison_record import AlmostStochasticOrder, IntervalEstimate, NamedTest
from bertft_core.statistics import effect_sizes, equal_variance, mean_tests
from bertft_core.statistics.aso import TAU, almost_stochastic_order
from bertft_core.statistics.mean_tests import MeanTest
from bertft_core.statistics.probability_of_superiority import superiority

Floats = NDArray[np.float64]


class SeedTestSettings(NamedTuple):
    """How a pair is compared."""

    paired: bool
    direction: Direction
    is_headline: bool
    n_pairs: int
    n_resamples: int
    bootstrap_seed: int
    level: float
    """Of every interval."""

    @property
    def sign(self) -> int:
        """Times this, larger scores are better."""
        return 1 if self.direction == "maximize" else -1


def of_seeds(arm: Floats, baseline: Floats, settings: SeedTestSettings) -> dict[str, Any]:
    """The fields of a pair that follow from its scores [seeds] alone."""
    return {
        "superiority": superior(arm, baseline, settings),
        "aso": stochastic_order(arm, baseline, settings) if settings.is_headline else None,
        "tests": tuple(_record(found) for found in tests(arm, baseline, settings)),
        "stability": tuple(_record(found) for found in stability_tests(arm, baseline, paired=settings.paired)),
        "sd_ratio": _ratio(arm, baseline, settings.level),
        "effects": effects(arm, baseline, paired=settings.paired),
    }


def superior(arm: Floats, baseline: Floats, settings: SeedTestSettings) -> IntervalEstimate:
    """P(A > B), better by the metric's direction."""
    found = superiority(
        settings.sign * arm,
        settings.sign * baseline,
        paired=settings.paired,
        bootstrap_seed=settings.bootstrap_seed,
        level=settings.level,
    )
    return IntervalEstimate(value=found.probability, low=found.low, high=found.high)


def stochastic_order(arm: Floats, baseline: Floats, settings: SeedTestSettings) -> AlmostStochasticOrder:
    """Almost stochastic order, corrected for the number of pairs."""
    found = almost_stochastic_order(
        settings.sign * arm,
        settings.sign * baseline,
        bootstrap_seed=settings.bootstrap_seed,
        n_comparisons=settings.n_pairs,
        level=settings.level,
    )
    return AlmostStochasticOrder(eps_min=found.eps_min, tau=TAU, confidence=found.confidence, is_better=found.is_better)


def tests(arm: Floats, baseline: Floats, settings: SeedTestSettings) -> list[MeanTest]:
    """Tests of equal means: t, ranks and permutations, paired where the seeds are."""
    if settings.paired:
        ranks = mean_tests.wilcoxon(arm, baseline, settings.bootstrap_seed)
        t = mean_tests.paired_t(arm, baseline)
    else:
        ranks = mean_tests.mann_whitney(arm, baseline, settings.bootstrap_seed)
        t = mean_tests.welch_t(arm, baseline)
    return [t, ranks, mean_tests.permutation(arm, baseline, paired=settings.paired, permutation_seed=settings.bootstrap_seed)]


def stability_tests(arm: Floats, baseline: Floats, *, paired: bool) -> list[MeanTest]:
    """Tests of equal spread. Brown & Forsythe's keeps its level and decides; Pitman & Morgan's is for pairs."""
    found = [equal_variance.brown_forsythe(arm, baseline), equal_variance.levene(arm, baseline)]
    return [*found, equal_variance.pitman_morgan(arm, baseline)] if paired else found


def _ratio(arm: Floats, baseline: Floats, level: float) -> IntervalEstimate | None:
    found = equal_variance.sd_ratio(arm, baseline, level)
    return None if found is None else IntervalEstimate(value=found[0], low=found[1], high=found[2])


def _record(found: MeanTest) -> NamedTest:
    return NamedTest(name=found.name, statistic=found.statistic, p=found.p)


def effects(arm: Floats, baseline: Floats, *, paired: bool) -> dict[str, float]:
    """Effect sizes by name, arm minus baseline; undefined ones, where there is no spread, are left out."""
    found = {
        "cohens_d": effect_sizes.cohens_d(arm, baseline),
        "hedges_g": effect_sizes.hedges_g(arm, baseline),
        "paired_d": effect_sizes.paired_d(arm, baseline) if paired else None,
        "cliffs_delta": effect_sizes.cliffs_delta(arm, baseline),
    }
    return {name: value for name, value in found.items() if value is not None}

"""What a pair's scores say over its seeds alone: order, effect sizes, tests of the means and of the spread."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertft_core.config.head import Direction
from bertft_core.evaluation.intervals import LEVEL
from bertft_core.records.comparison import Estimate, StochasticOrder
from bertft_core.statistics import effect_sizes
from bertft_core.statistics.aso import TAU, almost_stochastic_order
from bertft_core.statistics.superiority import superiority

Floats = NDArray[np.float64]


def superior(arm: Floats, baseline: Floats, direction: Direction, *, paired: bool, bootstrap_seed: int) -> Estimate:
    """P(A > B) of scores [seeds of each], better by the metric's direction."""
    sign = _sign(direction)
    found = superiority(sign * arm, sign * baseline, paired=paired, bootstrap_seed=bootstrap_seed, level=LEVEL)
    return Estimate(value=found.probability, low=found.low, high=found.high)


def stochastic_order(
    arm: Floats, baseline: Floats, direction: Direction, *, n_pairs: int, bootstrap_seed: int
) -> StochasticOrder:
    """Whether the arm is almost stochastically better, corrected for the number of pairs."""
    sign = _sign(direction)
    found = almost_stochastic_order(
        sign * arm, sign * baseline, bootstrap_seed=bootstrap_seed, n_comparisons=n_pairs, level=LEVEL
    )
    return StochasticOrder(eps_min=found.eps_min, tau=TAU, confidence=found.confidence)


def effects(arm: Floats, baseline: Floats, *, paired: bool) -> dict[str, float]:
    """Effect sizes by name, arm minus baseline; those without a spread are left out."""
    found = {
        "cohens_d": effect_sizes.cohens_d(arm, baseline),
        "hedges_g": effect_sizes.hedges_g(arm, baseline),
        "paired_d": effect_sizes.paired_d(arm, baseline) if paired else None,
        "cliffs_delta": effect_sizes.cliffs_delta(arm, baseline),
    }
    return {name: value for name, value in found.items() if value is not None}


def of_seeds(arm: Floats, baseline: Floats, direction: Direction, *, paired: bool, bootstrap_seed: int) -> dict[str, Any]:
    """The fields of a pair that its seeds' scores give."""
    return {
        "superiority": superior(arm, baseline, direction, paired=paired, bootstrap_seed=bootstrap_seed),
        "effects": effects(arm, baseline, paired=paired),
    }


def _sign(direction: Direction) -> int:
    return 1 if direction == "maximize" else -1

"""How the score depends on the size of the training set: curves, the law that fits, and what doubling would give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bertft_core.config.grids import stem_of
from bertft_core.config.learning_curves import SIZE
from bertft_core.metrics.bounds import bounds_of
from bertft_core.records.summary import ArmSummary, SeedScore, StudySummary, shared_by
from bertft_core.seeds import derive_seed
from bertft_core.statistics.mean_intervals import LEVEL, interval_of_mean
from bertft_core.statistics.power_law import PowerLaws, fit_power_laws, resampled_means, resampling_interval
from bertft_core.statistics.shared_by_runs import Splits

MIN_SIZES, MIN_SEEDS = 4, 3
"""A law has three numbers, and an interval over seeds needs a spread."""
N_DRAWN = 33
"""Sizes at which the law is drawn."""

Unknown = Literal["few_sizes", "few_seeds", "crossed", "splits", "not_converged", "includes_zero"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class SizeMean:
    """The score with one size."""

    size: int
    n_seeds: int
    mean: float
    low: float | None
    high: float | None
    """t-interval over seeds; None with fewer than two."""


@dataclass(frozen=True)
class Law:
    """score(n) = limit ∓ factor · n^(−exponent), and what it says of the largest size and of twice as many examples."""

    limit: float
    factor: float
    exponent: float
    exponent_interval: Interval
    largest: int
    at_largest: float
    at_double: float
    gain: float
    """How much better twice the largest size is, in units of the score: positive is better, whatever the direction."""
    gain_interval: Interval
    drawn: Sequence[tuple[float, float, float, float]]
    """Size, score, and the ends of its interval, from the smallest size to twice the largest."""


@dataclass(frozen=True)
class LearningCurve:
    """One curve of a study."""

    name: str
    n_seeds: int
    """Seeds with a score at every size; these are fitted."""
    points: Sequence[SizeMean]
    law: Law | None
    unknown: Unknown | None
    """Why what doubling would give cannot be predicted."""


def learning_curves(summary: StudySummary, study_seed: int, sign: float) -> list[LearningCurve]:
    """Every curve with two sizes that have scores, by the headline score; `sign` is −1 where a lower one is better.

    Arms that differ in nothing of their grid but the size are a curve. Selected seeds are no sample, so they enter none.
    """
    curves: dict[str, list[ArmSummary]] = {}
    for arm in summary.arms:
        if SIZE in arm.grid_values and arm.selected is None and any(summary.headline_key in seed.scores for seed in arm.seeds):
            curves.setdefault(name_of(arm), []).append(arm)
    found = [(name, sorted(arms, key=lambda arm: arm.grid_values[SIZE])) for name, arms in curves.items() if len(arms) > 1]
    return [_curve(name, arms, summary.headline_key, study_seed, sign) for name, arms in found]


def name_of(arm: ArmSummary) -> str:
    """The arm's name in the config, and its other settings of the grid."""
    others = {key: value for key, value in arm.grid_values.items() if key != SIZE}
    return " ".join([stem_of(arm.arm), *(f"{key}={_plain(value)}" for key, value in others.items())])


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _curve(name: str, arms: Sequence[ArmSummary], key: str, study_seed: int, sign: float) -> LearningCurve:
    bounds = bounds_of(key.split("/", 2)[2])
    points = [_point(arm, key, bounds) for arm in arms]
    scored = [{seed.index: seed for seed in arm.seeds if key in seed.scores} for arm in arms]
    common = sorted(set.intersection(*(set(seeds) for seeds in scored)))
    unknown = _unknown(len(arms), [scored[0][index] for index in common])
    if unknown is not None:
        return LearningCurve(name, len(common), points, None, unknown)
    scores = np.array([[seeds[index].scores[key] for seeds in scored] for index in common])
    best = bounds[1] if sign > 0 else -bounds[0]
    law = _law(np.array([float(point.size) for point in points]), sign * scores, best, sign, study_seed)
    if law is None:
        return LearningCurve(name, len(common), points, None, "not_converged")
    return LearningCurve(name, len(common), points, law, "includes_zero" if law.gain_interval[0] <= 0 else None)


def _unknown(n_sizes: int, seeds: Sequence[SeedScore]) -> Unknown | None:
    """Why no law is fitted to these seeds."""
    shared = shared_by(seeds)
    if n_sizes < MIN_SIZES:
        return "few_sizes"
    if shared is not None:
        return "splits" if isinstance(shared, Splits) else "crossed"
    return "few_seeds" if len(seeds) < MIN_SEEDS else None


def _point(arm: ArmSummary, key: str, bounds: Interval) -> SizeMean:
    seeds = [seed for seed in arm.seeds if key in seed.scores]
    values = [seed.scores[key] for seed in seeds]
    low, high = interval_of_mean(values, shared_by(seeds), LEVEL, bounds) or (None, None)
    return SizeMean(int(arm.grid_values[SIZE]), len(values), float(np.mean(values)), low, high)


def _law(sizes: np.ndarray, scores: np.ndarray, best: float, sign: float, study_seed: int) -> Law | None:
    """The law of scores [seeds, k] to maximise; None where it has not converged."""
    fitted = fit_power_laws(sizes, scores.mean(axis=0)[None], best)
    if not fitted.converged[0]:
        return None
    resampled = fit_power_laws(sizes, resampled_means(scores, derive_seed(study_seed, "bootstrap", "learning_curve")), best)
    largest, n = sizes[-1], len(scores)
    ends = np.array([largest, 2 * largest])
    at = fitted.at(ends)[0]
    gain_low, gain_high = resampling_interval(np.diff(at), np.diff(resampled.at(ends)), n, LEVEL)
    low, high = resampling_interval(fitted.exponent, resampled.exponent[:, None], n, LEVEL)
    return Law(
        limit=sign * float(fitted.limit[0]),
        factor=float(fitted.amplitude[0] * fitted.smallest ** fitted.exponent[0]),
        exponent=float(fitted.exponent[0]),
        exponent_interval=(max(0.0, float(low[0])), float(high[0])),
        largest=int(largest),
        at_largest=sign * float(at[0]),
        at_double=sign * float(at[1]),
        gain=float(at[1] - at[0]),
        gain_interval=(float(gain_low[0]), float(gain_high[0])),
        drawn=_drawn(fitted, resampled, sizes, best, sign, n),
    )


def _drawn(
    fitted: PowerLaws, resampled: PowerLaws, sizes: np.ndarray, best: float, sign: float, n_seeds: int
) -> list[tuple[float, float, float, float]]:
    grid = np.geomspace(sizes[0], 2 * sizes[-1], N_DRAWN)
    line = fitted.at(grid)[0]
    low, high = resampling_interval(line, resampled.at(grid), n_seeds, LEVEL)
    ends = [sign * low, sign * np.minimum(high, best)]
    rows = np.stack([grid, sign * line, np.minimum(*ends), np.maximum(*ends)], axis=1)
    return [(float(size), float(score), float(low), float(high)) for size, score, low, high in rows]

"""By how much an arm beats the constant prediction."""

import numpy as np

from bertft_core.metrics.bounds import bounds_of
from bertft_core.records.summary import ArmSummary, GainOverMajority, scores_by_index, shared_by
from bertft_core.statistics.mean_intervals import LEVEL, interval_of_mean
from bertft_core.statistics.seeds_needed import MIN_SEEDS


def gain_over_majority(arm: ArmSummary, key: str, constant_score: float, level: float = LEVEL) -> GainOverMajority | None:
    """`key` (checkpoint/split/metric) of an arm minus the score of the constant predictor; None when no seed has a score.

    Collapsed runs are included. Fewer than three seeds have no interval; runs of a crossed design share seeds, those of a split
    design examples, and their interval accounts for that.
    """
    seeds = [seed for seed in arm.seeds if key in seed.scores]
    gains = [score - constant_score for _, score in sorted(scores_by_index(arm, key).items())]
    if not gains:
        return None
    shared = shared_by(sorted(seeds, key=lambda seed: seed.index))
    lowest, highest = (bound - constant_score for bound in bounds_of(key.split("/", 2)[2]))
    interval = interval_of_mean(gains, shared, level, (lowest, highest)) if len(gains) >= MIN_SEEDS else None
    low, high = interval or (None, None)
    mean = float(np.mean(gains))
    return GainOverMajority(
        arm=arm.arm,
        constant_score=constant_score,
        n=len(gains),
        mean=mean,
        t_low=low,
        t_high=high,
        n_agreeing=sum(gain * mean > 0 for gain in gains),
    )

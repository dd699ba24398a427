"""From what every example adds, seed by seed, to what can be resampled."""

from __future__ import annotations

from collections.abc import Sequence

from bertft_core.metrics.per_example.statistic import PerExample, Ranking, Statistic
from bertft_core.statistics.resampling import Additive, Averaged, Resamplable
from bertft_core.statistics.spearman_bootstrap import SpearmanBootstrap


def scored_of(seeds: Sequence[PerExample]) -> Resamplable:
    """One metric of several seeds, all of the same kind and over the same examples. Raises `ValueError` for none."""
    statistics = [of_seed for of_seed in seeds if isinstance(of_seed, Statistic)]
    if len(statistics) == len(seeds):
        return additive(statistics)
    rankings = [of_seed for of_seed in seeds if isinstance(of_seed, Ranking)]
    ranked = SpearmanBootstrap([ranking.first for ranking in rankings], rankings[0].second)
    pearson = [ranking.averaged_with for ranking in rankings if ranking.averaged_with is not None]
    return Averaged([additive(pearson), ranked]) if pearson else ranked


def additive(statistics: Sequence[Statistic]) -> Additive:
    """The seeds' sums, finished alike."""
    return Additive([of_seed.values for of_seed in statistics], statistics[0].finish)

"""Means over the arms of a grid: of each value of a setting, and of each pair of values of two settings."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertft_core.config.grids import stem_of
from bertft_core.config.learning_curves import SIZE
from bertft_core.metrics.bounds import bounds_of
from bertft_core.records.summary import ArmSummary, StudySummary, shared_by
from bertft_core.statistics.mean_intervals import LEVEL, interval_of_mean


@dataclass(frozen=True)
class GridMean:
    """The mean of all arms of a grid with one value of a setting."""

    value: Any
    n_arms: int
    n_seeds: int
    """Seeds with a score in each of these arms."""
    mean: float
    low: float | None
    high: float | None
    """t-interval over seeds; None with fewer than two."""


@dataclass(frozen=True)
class GridMeans:
    """One grid of a study."""

    grid: str
    """Name of the arm that has the grid in the config."""
    values: Mapping[str, Sequence[Any]]
    """Setting with several values → these, in their order in the grid."""
    marginals: Mapping[str, Sequence[GridMean]]
    """Such a setting → the mean of each value that has a score in all its arms."""
    pairs: Mapping[tuple[str, str], Mapping[tuple[int, int], float]]
    """Two settings → positions of a value of each → mean; pairs of values without a score are absent."""


def grid_means(summary: StudySummary) -> list[GridMeans]:
    """Every grid of a study with scores, by the headline score. Selected seeds are no sample, so they enter no mean.

    A curve over sizes of the training set alone is not a grid (`size_curves`).
    """
    grids: dict[str, list[ArmSummary]] = {}
    for arm in summary.arms:
        if arm.grid_values.keys() - {SIZE} and arm.selected is None:
            grids.setdefault(stem_of(arm.arm), []).append(arm)
    found = [_of_grid(name, arms, summary.headline_key) for name, arms in grids.items()]
    return [each for each in found if any(each.marginals.values())]


def _of_grid(name: str, arms: Sequence[ArmSummary], key: str) -> GridMeans:
    values = {setting: _distinct([arm.grid_values.get(setting) for arm in arms]) for setting in arms[0].grid_values}
    varied = {setting: listed for setting, listed in values.items() if len(listed) > 1}

    marginals = {
        setting: [
            mean
            for value in listed
            if (mean := _mean(value, [arm for arm in arms if arm.grid_values.get(setting) == value], key)) is not None
        ]
        for setting, listed in varied.items()
    }
    pairs = {}
    for first, second in itertools.combinations(varied, 2):
        at = {}
        for (i, a), (j, b) in itertools.product(enumerate(varied[first]), enumerate(varied[second])):
            there = [arm for arm in arms if arm.grid_values.get(first) == a and arm.grid_values.get(second) == b]
            if (mean := _mean(None, there, key)) is not None:
                at[i, j] = mean.mean
        pairs[first, second] = at
    return GridMeans(name, varied, marginals, pairs)


def _distinct(values: Sequence[Any]) -> list[Any]:
    return [value for i, value in enumerate(values) if value not in values[:i]]


def _mean(value: Any, arms: Sequence[ArmSummary], key: str) -> GridMean | None:
    """Each seed is first averaged over the arms, as the arms share their seeds; seeds that an arm lacks are left out."""
    scored = [{seed.index: seed for seed in arm.seeds if key in seed.scores} for arm in arms]
    common = sorted(set.intersection(*(set(seeds) for seeds in scored))) if scored else []
    if not common:
        return None
    means = [float(np.mean([seeds[index].scores[key] for seeds in scored])) for index in common]
    shared = shared_by([scored[0][index] for index in common])
    low, high = interval_of_mean(means, shared, LEVEL, bounds_of(key.split("/", 2)[2])) or (None, None)
    return GridMean(value, len(arms), len(common), float(np.mean(means)), low, high)

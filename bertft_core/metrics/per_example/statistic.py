"""A metric as a function of sums over examples, so that resampling examples takes a weighted sum and no new evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bertft_core.metrics.precision_recall import Bools, Floats, Ints
from bertft_core.statistics.resampling import Additive, Averaged, Resamplable
from bertft_core.statistics.spearman_bootstrap import SpearmanBootstrap

SeedsOnly = Literal["ranks examples", "tuned on the split", "no score"]
"""Why a metric cannot be resampled over examples."""


@dataclass(frozen=True, slots=True)
class InColumn:
    """One number in each row of an array [n, width] that is 0 elsewhere; numpy takes it for that array."""

    numbers: Floats
    """[n]"""
    columns: Ints
    """Where each is [n]."""
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.numbers), self.width

    def __len__(self) -> int:
        return len(self.numbers)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(one_hot(self.columns, self.width) * column(self.numbers), dtype)


class Statistic(NamedTuple):
    """The sufficient statistics of every example, and how their sums become the score.

    With `weights` [n] of how often each example was drawn, `finish(weights @ values)` is the metric of that sample. There
    0/0 is 0, as everywhere in `bertft_core.metrics`.
    """

    parts: tuple[Floats | Bools | InColumn, ...]
    """Each [n, k_i]: the sufficient statistics of the examples."""
    of_sums: Callable[..., Floats]
    """The metric [...] of the sums of the parts, each [..., k_i], in their order."""

    @property
    def width(self) -> int:
        """Numbers per example: k."""
        return sum(part.shape[1] for part in self.parts)

    @property
    def values(self) -> Floats:
        """All parts side by side, float64 [n, k]."""
        return np.concatenate(self.parts, axis=1, dtype=np.float64)

    def finish(self, sums: Floats) -> Floats:
        """The metric [...] of sums [..., k] of `values`."""
        return self.of_sums(*np.split(sums, np.cumsum([part.shape[1] for part in self.parts])[:-1], axis=-1))


class Ranking(NamedTuple):
    """The rank correlation of two columns: ranks are those among the drawn examples, so it is not a function of sums."""

    first: Floats
    """[n]"""
    second: Floats
    """[n]"""
    averaged_with: Statistic | None = None
    """The metric is the mean of the rank correlation and this."""


PerExample = Statistic | Ranking


def column(values: Any) -> Any:
    """[n] as [n, 1]."""
    return np.asarray(values)[:, None]


def one_hot(ids: Ints, n: int) -> Bools:
    """Label ids [rows] as [rows, n], true where the label is the column's: one byte each, to hold many seeds in memory."""
    return np.asarray(ids)[:, None] == np.arange(n)


def mean_of(values: Floats | Bools) -> Statistic:
    """The plain mean of `values` [n]."""
    return quotient(values, ones(len(values)))


@lru_cache(maxsize=16)
def ones(n: int) -> Floats:
    """[n], one array for all metrics and seeds; not to be written to."""
    return np.ones(n)


def quotient(numerators: Floats | Bools, denominators: Floats | Bools) -> Statistic:
    """Σ numerators / Σ denominators, both [n]."""
    return Statistic((column(numerators), column(denominators)), quotient_of_sums)


def quotient_of_sums(numerator: Floats, denominator: Floats) -> Floats:
    """[..., 1] by [..., 1], 0 for 0/0: [...]."""
    numerator, denominator = numerator[..., 0], denominator[..., 0]
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator != 0)


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
    """The statistics of all seeds, with one way to finish their sums."""
    return Additive([of_seed.values for of_seed in statistics], statistics[0].finish)

"""A metric as a function of sums over examples, so that resampling examples is a weighted sum and no new evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bertft_core.metrics.precision_recall import Bools, Floats, Ints


class Statistic(NamedTuple):
    """What every example adds, and how the sums become the score.

    With `weights` [n] that say how often each example was drawn, `finish(weights @ values)` is the metric of that sample. A
    ratio of nothing by nothing is 0 there, as everywhere in `bertft_core.metrics`.
    """

    parts: tuple[Floats | Bools, ...]
    """Each [n, k_i]: what the examples add."""
    of_sums: Callable[..., Floats]
    """The metric [...] of the sums of the parts, each [..., k_i], in their order."""

    @property
    def width(self) -> int:
        """How many numbers each example adds: k."""
        return sum(part.shape[1] for part in self.parts)

    @property
    def values(self) -> Floats:
        """All parts side by side, float64 [n, k]."""
        return np.concatenate(self.parts, axis=1, dtype=np.float64)

    def finish(self, sums: Floats) -> Floats:
        """The metric [...] of sums [..., k] of `values`."""
        return self.of_sums(*np.split(sums, np.cumsum([part.shape[1] for part in self.parts])[:-1], axis=-1))


class Ranking(NamedTuple):
    """The rank correlation of two columns: ranks are those among the drawn examples, so that no sum of fixed values gives it."""

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
    """Label ids [rows] as [rows, n], true where the label is the column's: one byte each, because many seeds are held at once."""
    return np.asarray(ids)[:, None] == np.arange(n)


def mean_of(values: Floats | Bools) -> Statistic:
    """The plain mean of `values` [n]."""
    return quotient(values, np.ones(len(values)))


def quotient(numerators: Floats | Bools, denominators: Floats | Bools) -> Statistic:
    """Σ numerators / Σ denominators, both [n]."""
    return Statistic((column(numerators), column(denominators)), quotient_of_sums)


def quotient_of_sums(numerator: Floats, denominator: Floats) -> Floats:
    """[..., 1] by [..., 1], 0 for 0/0: [...]."""
    numerator, denominator = numerator[..., 0], denominator[..., 0]
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator != 0)

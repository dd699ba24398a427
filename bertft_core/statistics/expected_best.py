"""Expected best value of n independent trials, estimated from finished trials."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.floating]


class BestOf(NamedTuple):
    """For n = 1 … N, each [N]."""

    mean: Floats
    sd: Floats
    """Sd of the best value itself (the width of a band), not the standard error of `mean`."""


def with_replacement(values: Sequence[float]) -> BestOf:
    """V-statistic: Σ v₍ᵢ₎ [(i/N)ⁿ − ((i−1)/N)ⁿ] over the sorted `values` [N], higher is better (Dodge et al. 2019).

    Biased low, more so as n approaches N (Tang et al. 2020). Both estimators need independent trials, as in random search
    or over seeds, not those of an adaptive sampler. Raises `ValueError` for no values.
    """
    ordered = _sorted(values)
    n = np.arange(1, len(ordered) + 1)
    reached = (np.arange(len(ordered) + 1)[None, :] / len(ordered)) ** n[:, None]
    return _moments(ordered, np.diff(reached, axis=1))


def without_replacement(values: Sequence[float]) -> BestOf:
    """U-statistic: Σ v₍ⱼ₎ C(j−1, n−1)/C(N, n) over the sorted `values` [N], higher is better (Tang et al. 2020).

    Unbiased, with a higher variance (Dodge et al. 2021). Raises `ValueError` for no values.
    """
    ordered = _sorted(values)
    total = len(ordered)
    n, j = np.arange(1.0, total + 1)[:, None], np.arange(1.0, total + 1)[None, :]
    logs = _log_choose(j - 1, n - 1) - _log_choose(np.full(n.shape, float(total)), n)
    return _moments(ordered, np.exp(logs))


def trials_to_exceed(values: Sequence[float], value: float, probability: float = 0.95) -> int | None:
    """Trials until one is above `value` with this probability: ⌈ln(1 − p)/ln P(v ≤ value)⌉ (Tang et al. 2020).

    None if none of `values` is above it.
    """
    share = float((_sorted(values) <= value).mean())
    if share == 1:
        return None
    return 1 if share == 0 else max(1, math.ceil(math.log(1 - probability) / math.log(share) - 1e-12))


def _moments(ordered: Floats, weights: Floats) -> BestOf:
    mean = weights @ ordered
    spread = (weights * (ordered[None, :] - mean[:, None]) ** 2).sum(axis=1)
    return BestOf(mean, np.sqrt(spread))


def _log_choose(n: Floats, k: Floats) -> Floats:
    """ln C(n, k), −∞ for k > n."""
    possible = k <= n
    rest = np.where(possible, n - k, 0.0)
    logs: Floats = np.where(possible, gammaln(n + 1) - gammaln(k + 1) - gammaln(rest + 1), -np.inf)
    return logs


def _sorted(values: Sequence[float]) -> Floats:
    if len(values) == 0:
        raise ValueError("no values")
    return np.sort(np.asarray(values, dtype=float))

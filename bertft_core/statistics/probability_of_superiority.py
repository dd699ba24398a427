"""The probability that a run of one arm is better than a run of another: P(A > B), ties counting half.

Source: Bouthillier et al. 2021 ("Accounting for Variance in Machine Learning Benchmarks"), who pair runs that share their seeds;
without pairs it is Mann & Whitney's U by n·m (the "probability of improvement" of Agarwal et al. 2021). Their interval is the
percentile bootstrap over runs. It has no width when every run is better, so three runs would be as certain as thirty. The
second interval is therefore the one to decide by:

- paired: the exact interval of a binomial share (Clopper & Pearson 1934), with ties as half a success;
- unpaired: Newcombe 2006 (Statistics in Medicine 25, method 5), the values θ with |U/nm − θ| = z √V(θ) and
  V(θ) = θ(1 − θ) [1 + N (1 − θ)/(2 − θ) + N θ/(1 + θ)] / nm, N = (n + m)/2 − 1; |…| reduced by 1/(2nm) (continuity).
  At θ = 1/2 and n = m this is the variance of U when the arms are equal.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from bertft_core.statistics.kept_draws import kept_draws
from bertft_core.statistics.proportions import clopper_pearson_interval
from bertft_core.statistics.rounding import Floats, differences_of
from bertft_core.statistics.row_blocks import row_blocks

LEVEL = 0.95
N_RESAMPLES = 10_000
EXACT_IN_FLOAT32 = 2**23
"""Halves up to here, of which wins are sums."""


class Superiority(NamedTuple):
    """P(A > B) with its interval and the percentile bootstrap as published."""

    probability: float
    low: float
    high: float
    percentile_low: float
    percentile_high: float


def superiority(
    first: Sequence[float] | Floats,
    second: Sequence[float] | Floats,
    *,
    paired: bool,
    bootstrap_seed: int,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
) -> Superiority:
    """P(first > second) of scores [runs of each], higher is better; `paired` where entry i of both has the same seeds.

    Raises `ValueError` for no run, or paired arms of different numbers of runs.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not len(a) or not len(b) or (paired and len(a) != len(b)):
        raise ValueError(f"{len(a)} and {len(b)} {'paired ' * paired}runs cannot be compared")
    if paired:
        wins = _wins(a, b)
        (of_pairs,) = _draws(bootstrap_seed, (len(a),), n_resamples)
        resampled = np.asarray(of_pairs @ wins.astype(of_pairs.dtype), np.float64) / len(a)
        low, high = clopper_pearson_interval(float(wins.sum()), len(a), level)
    else:
        wins = _wins(a[:, None], b[None, :])
        of_a, of_b = _draws(bootstrap_seed, (len(a), len(b)), n_resamples)
        resampled = np.asarray((of_a * (of_b @ wins.T.astype(of_b.dtype))).sum(axis=1), np.float64) / wins.size
        low, high = _newcombe(float(wins.mean()), len(a), len(b), level)
    percentiles = np.quantile(resampled, [0.5 - level / 2, 0.5 + level / 2])
    return Superiority(float(wins.mean()), low, high, float(percentiles[0]), float(percentiles[1]))


def _wins(first: Floats, second: Floats) -> Floats:
    return np.asarray((1 + np.sign(differences_of(first, second))) / 2)


@kept_draws(1)
def _draws(bootstrap_seed: int, sizes: tuple[int, ...], n_resamples: int) -> tuple[NDArray[np.floating], ...]:
    """How often each run is drawn [resamples, n] in n draws with replacement, for each size n in turn.

    Cached, because all pairs of a study draw the same; not to be written to.
    """
    rng, dtype = np.random.default_rng(bootstrap_seed), np.float32 if math.prod(sizes) < EXACT_IN_FLOAT32 else np.float64
    found = tuple(np.empty((n_resamples, n), dtype) for n in sizes)
    for drawn in found:
        for rows in row_blocks(*drawn.shape):
            n = drawn.shape[1]
            drawn[rows] = rng.multinomial(n, np.full(n, 1 / n), size=rows.stop - rows.start)
    return found


def _newcombe(probability: float, n: int, m: int, level: float) -> tuple[float, float]:
    z, size = float(ndtri(0.5 + level / 2)), (n + m) / 2 - 1

    def outside(theta: float) -> float:
        """Above 0 where θ is outside the interval."""
        variance = theta * (1 - theta) * (1 + size * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (n * m)
        return float(max(abs(probability - theta) - 0.5 / (n * m), 0.0) - z * variance**0.5)

    below, above = probability - 0.5 / (n * m), probability + 0.5 / (n * m)
    low = 0.0 if below <= 0 else float(brentq(outside, 0.0, below))
    return low, 1.0 if above >= 1 else float(brentq(outside, above, 1.0))

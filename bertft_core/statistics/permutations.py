"""Exact permutation tests: how extreme a difference is among all sign flips or label assignments.

Enumerated if feasible, otherwise sampled with p = (k + 1)/(n + 1), which is never 0 and keeps the type I error at or below the
level (Phipson & Smyth 2010). A permutation counts when its statistic is at least as extreme.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.kept_draws import kept_draws
from bertft_core.statistics.row_blocks import row_blocks

MAX_SIGNS = 2**16
MAX_LABELS = 200_000
"""Sampled above."""
N_SAMPLED = 20_000
SUM_ROUNDING = 1e-9
"""Statistics closer than this, relative to the largest, are equal but summed in another order."""

Floats = NDArray[np.float64]
Scores = Sequence[float] | Floats


def sign_flip_p(differences: Scores, permutation_seed: int) -> float:
    """Two-sided p of paired differences [n] under random sign flips (Fisher 1935); the statistic is |sum|.

    All 2ⁿ flips for n ≤ 16: no p-value is below 2/2ⁿ, so five pairs cannot reach 0.05. Raises `ValueError` for no pairs.
    """
    values = np.asarray(differences, dtype=float)
    if not len(values):
        raise ValueError("no differences")
    if 2 ** len(values) <= MAX_SIGNS:
        return _exact(_all_signs(len(values)) @ values, float(values.sum()))
    signs, permuted = _sampled_signs(len(values), permutation_seed), np.empty(N_SAMPLED)
    for rows in row_blocks(N_SAMPLED, len(values)):
        permuted[rows] = signs[rows].astype(np.float64) @ values
    return _sampled(permuted, float(values.sum()))


def label_p(first: Scores, second: Scores, permutation_seed: int) -> float:
    """Two-sided p of a difference of means under random group labels; exact for small groups.

    The null hypothesis is equal distributions, not only equal means: with unequal spreads and group sizes, its type I error
    can exceed the level. Raises `ValueError` for an empty group.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not len(a) or not len(b):
        raise ValueError("an empty group")
    values = np.concatenate([a, b])
    values = values - values.mean()
    seen = float(values[: len(a)].sum())
    if math.comb(len(values), len(a)) <= MAX_LABELS:
        return _exact(values[_all_groups(len(values), len(a))].sum(axis=1), seen)
    rng, permuted = np.random.default_rng(permutation_seed), np.empty(N_SAMPLED)
    for rows in row_blocks(N_SAMPLED, len(values)):
        groups = rng.permuted(np.tile(values, (rows.stop - rows.start, 1)), axis=1)[:, : len(a)]
        permuted[rows] = groups.sum(axis=1)
    return _sampled(permuted, seen)


def _exact(permuted: Floats, seen: float) -> float:
    return float(_as_extreme(permuted, seen).mean())


def _sampled(permuted: Floats, seen: float) -> float:
    return float((np.count_nonzero(_as_extreme(permuted, seen)) + 1) / (len(permuted) + 1))


def _as_extreme(permuted: Floats, seen: float) -> NDArray[np.bool_]:
    return np.abs(permuted) >= abs(seen) - SUM_ROUNDING * max(float(np.abs(permuted).max()), abs(seen))


@lru_cache(maxsize=4)
def _all_signs(n: int) -> Floats:
    """[2ⁿ, n]"""
    return np.asarray(1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1), dtype=np.float64)


@kept_draws(2)
def _sampled_signs(n: int, permutation_seed: int) -> NDArray[np.int8]:
    """[N_SAMPLED, n]; cached, because all pairs of a study flip the same signs, with and without differences of 0."""
    bits, signs = np.random.default_rng(permutation_seed).bit_generator, np.empty((N_SAMPLED, n), dtype=np.int8)
    for rows in row_blocks(N_SAMPLED, n):
        size = (rows.stop - rows.start) * n
        # the halves of 64 bits are what `Generator.integers` gives of all uint32, in a third of the time
        drawn = bits.random_raw(-(-size // 2)).astype("<u8", copy=False).view("<u4")[:size].reshape(-1, n)
        signs[rows] = drawn >> 31  # the bit that decides between two numbers
    signs *= 2
    signs -= 1
    return signs


@lru_cache(maxsize=4)
def _all_groups(n: int, size: int) -> NDArray[np.int64]:
    """Positions of all groups [n over size, size]."""
    flat = itertools.chain.from_iterable(itertools.combinations(range(n), size))
    return np.fromiter(flat, dtype=np.int64, count=math.comb(n, size) * size).reshape(-1, size)

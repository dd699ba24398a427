"""Scores of many arms on the same resampled examples, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.resampling import Floats, Resamplable

N_RESAMPLES = 10_000
COUNTS_IN_MEMORY = 2_500_000
"""Of one block of resamples × examples: some 50 MB while it is drawn."""
MAX_BLOCK = 500


class Draws(NamedTuple):
    """One arm with one metric: its seeds as they are, and on resampled examples."""

    scores: NDArray[np.float64]
    """[seeds]"""
    resampled: NDArray[np.float64] | None = None
    """[resamples, seeds]; None where the examples cannot be resampled."""


def resample_examples(arms: Sequence[Resamplable], bootstrap_seed: int, n_resamples: int = N_RESAMPLES) -> list[Draws]:
    """Draw n of n examples with replacement `n_resamples` times, always the same for all arms (Sellam et al. 2022, section 4).

    `arms` may hold several metrics of an arm, each as one entry, and arms of different numbers of seeds. Resample r is the same
    for every call with the same seed and number of examples, so pairs may be made of arms that were resampled in separate calls.
    Raises `ValueError` for arms that are not scored on the same number of examples.
    """
    sizes = {arm.n_examples for arm in arms}
    if len(sizes) > 1:
        raise ValueError(f"all arms must be scored on the same examples, not on {sorted(sizes)} of them")
    found = [np.empty((n_resamples, arm.n_seeds)) for arm in arms]
    rng, start = np.random.default_rng([bootstrap_seed, 0]), 0
    for n in sizes:
        block = max(1, min(MAX_BLOCK, COUNTS_IN_MEMORY // n))
        while start < n_resamples:
            counts = _counts(rng, min(block, n_resamples - start), n)
            for scores, arm in zip(found, arms, strict=True):
                scores[start : start + len(counts)] = arm.scores(counts)
            start += len(counts)
    return [Draws(arm.scores()[0], resampled) for arm, resampled in zip(arms, found, strict=True)]


def _counts(rng: np.random.Generator, n_resamples: int, n: int) -> Floats:
    """How often each of n examples is drawn in n draws [resamples, n], float32."""
    positions = rng.integers(0, n, size=(n_resamples, n))
    positions += (np.arange(n_resamples) * n)[:, None]
    return np.bincount(positions.ravel(), minlength=n_resamples * n).reshape(n_resamples, n).astype(np.float32)

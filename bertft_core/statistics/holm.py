"""p-values of several tests corrected so that any false claim among them stays as rare as the level says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm 1979, in the order given: the k-th smallest of n times n − k + 1, never under the one before, at most 1.

    Valid for tests that depend on each other in any way, and never weaker than Bonferroni's.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in corrected]


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """Each times their number, at most 1 (Dunn 1961)."""
    return [min(1.0, float(p) * len(p_values)) for p in p_values]

"""Scores over init and order seeds: what tests of crossed designs start from."""

from __future__ import annotations

import numpy as np

from bertft_core.statistics.resampling import Additive, Floats

GRID = np.array([[70, 72, 71], [74, 75, 76], [69, 73, 68], [71, 71, 74]], dtype=float)


def mean_over_examples(values: Floats) -> Additive:
    """The plain mean of `values` [seeds, examples], such as 0 and 1 for accuracy."""
    parts = np.stack([values, np.ones_like(values)], axis=2)
    return Additive(parts, lambda sums: sums[..., 0] / sums[..., 1])

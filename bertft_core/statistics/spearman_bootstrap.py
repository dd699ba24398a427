"""Spearman's correlation on resampled examples, with ranks computed from how often each example was drawn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.resampling import Floats

BLOCK = 32
"""Resamples at a time: their counts fit into the processor's cache for some thousands of examples."""


class _Order:
    """One column sorted once: the position of each example, and ties."""

    def __init__(self, values: Floats) -> None:
        self.positions = np.argsort(values, kind="stable")
        ordered = np.asarray(values)[self.positions]
        is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        self.starts = np.flatnonzero(is_first)
        self.group = np.cumsum(is_first) - 1
        """Of each sorted example: the index of its distinct value."""

    def ranks(self, counts: Floats) -> tuple[Floats, Floats]:
        """Counts [n, resamples] → sorted counts and, in the same order, centred midranks of the drawn examples.

        A value drawn c times after b smaller ones has the mean rank b + (c + 1)/2 (Kendall 1945); the mean of all is (n + 1)/2.
        """
        drawn = counts[self.positions]
        has_ties = len(self.starts) < len(drawn)
        of_group = np.add.reduceat(drawn, self.starts, axis=0) if has_ties else drawn
        up_to = np.cumsum(of_group, axis=0)
        middle = up_to - of_group / 2 - up_to[-1] / 2
        return drawn, middle[self.group] if has_ties else middle


class SpearmanBootstrap:
    """Spearman's rank correlation (Spearman 1904), Pearson's of midranks; 0 if one side is constant."""

    def __init__(self, predicted: Sequence[Floats] | Floats, true: Floats) -> None:
        """`predicted` [seeds, examples], `true` [examples]. Raises `ValueError` for other shapes, no seed or no example."""
        if not len(predicted) or not len(true) or any(np.shape(of_seed) != np.shape(true) for of_seed in predicted):
            raise ValueError("every seed must have one prediction for each example")
        self._predicted, self._true = [_Order(of_seed) for of_seed in predicted], _Order(true)

    @property
    def n_seeds(self) -> int:
        return len(self._predicted)

    @property
    def n_examples(self) -> int:
        return len(self._true.positions)

    def scores(self, counts: Floats | None = None) -> NDArray[np.float64]:
        """See `Resamplable.scores`."""
        if counts is None:
            counts = np.ones((1, self.n_examples))
        found = np.empty((len(counts), self.n_seeds))
        for start in range(0, len(counts), BLOCK):
            found[start : start + BLOCK] = self._of_block(np.ascontiguousarray(counts[start : start + BLOCK].T, dtype=np.float64))
        return found

    def _of_block(self, counts: Floats) -> Floats:
        """Counts [n, resamples] → correlations [resamples, seeds]."""
        drawn, ranks = self._true.ranks(counts)
        true = np.empty_like(ranks)
        true[self._true.positions] = ranks
        spread_true = np.einsum("nr,nr,nr->r", drawn, ranks, ranks)
        found = np.empty((counts.shape[1], self.n_seeds))
        for i, order in enumerate(self._predicted):
            drawn, ranks = order.ranks(counts)
            weighted = drawn * ranks
            size = np.sqrt(np.einsum("nr,nr->r", weighted, ranks) * spread_true)
            together = np.einsum("nr,nr->r", weighted, true[order.positions])
            found[:, i] = np.divide(together, size, out=np.zeros(len(size)), where=size > 0)
        return found

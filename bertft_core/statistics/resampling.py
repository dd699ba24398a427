"""Scores of several seeds on bootstrap samples of the same examples.

A bootstrap of examples draws n of n with replacement. A metric that is a function of sums over examples (accuracy, F1, Matthews
correlation, Pearson, calibration error) is then the same function of weighted sums, where the weights count how often each
example was drawn: one matrix product scores all seeds on many resamples without reading predictions again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.row_blocks import row_blocks

Floats = NDArray[np.floating]
N_RESAMPLES = 10_000
COUNTS_IN_MEMORY = 2_500_000
"""Of one block of resamples × examples: about 50 MB while it is drawn."""
MAX_BLOCK = 500
EXACT_IN_FLOAT32 = 2**24
"""Sums of integers up to here are exact in float32."""


class Resamplable(Protocol):
    """Seeds of one arm with one metric."""

    @property
    def n_seeds(self) -> int:
        """Rows of the predictions."""
        ...

    @property
    def n_examples(self) -> int:
        """Columns of the predictions."""
        ...

    def scores(self, counts: Floats | None = None) -> NDArray[np.float64]:
        """The metric [resamples, seeds] where `counts` [resamples, examples] says how often each example was drawn.

        None means the examples themselves: one resample in which each was drawn once.
        """
        ...


class Additive:
    """A metric that is a function of sums over examples."""

    def __init__(self, values: Sequence[Floats] | Floats, finish: Callable[[Floats], Floats]) -> None:
        """`values` [seeds, examples, k]: per-example statistics; `finish`: sums [..., k] → metric [...].

        Statistics that all seeds share, such as true counts, are stored and summed once; integers are stored as float32. Raises
        `ValueError` for no seed or no example.
        """
        if not len(values) or not len(values[0]):
            raise ValueError("at least one seed and one example are needed")
        first = np.asarray(values[0])
        self._finish, self._n_seeds, self._k = finish, len(values), first.shape[1]
        alike = np.all([(np.asarray(of_seed) == first).all(axis=0) for of_seed in values], axis=0)
        self._alike, self._other = np.flatnonzero(alike), np.flatnonzero(~alike)
        kind = (
            np.float32
            if all(
                bool(
                    np.abs(np.asarray(of_seed)).max() * len(np.asarray(of_seed)) < EXACT_IN_FLOAT32
                    and np.array_equal(np.asarray(of_seed), np.rint(np.asarray(of_seed)))
                )
                for of_seed in values
            )
            else np.float64
        )
        self._columns = np.empty((len(first), len(self._alike) + self._n_seeds * len(self._other)), kind)
        self._columns[:, : len(self._alike)] = first[:, self._alike]
        for i, of_seed in enumerate(values):
            start = len(self._alike) + i * len(self._other)
            self._columns[:, start : start + len(self._other)] = np.asarray(of_seed)[:, self._other]

    @property
    def n_seeds(self) -> int:
        return self._n_seeds

    @property
    def n_examples(self) -> int:
        return len(self._columns)

    def scores(self, counts: Floats | None = None) -> NDArray[np.float64]:
        """See `Resamplable.scores`."""
        if counts is None:
            found = self._columns.sum(axis=0, dtype=np.float64)[None, :]
        else:
            found = counts.astype(self._columns.dtype, copy=False) @ self._columns
        scores = np.empty((len(found), self._n_seeds))
        for rows in row_blocks(len(found), self._n_seeds * self._k):
            scores[rows] = self._finish(self._sums(found[rows]))
        return scores

    def _sums(self, found: Floats) -> Floats:
        """Sums of the columns [resamples, columns] as those of each seed [resamples, seeds, k]."""
        n_alike = len(self._alike)
        sums = np.empty((len(found), self._n_seeds, self._k))
        sums[:, :, self._alike] = found[:, None, :n_alike]
        sums[:, :, self._other] = found[:, n_alike:].reshape(len(found), self._n_seeds, len(self._other))
        return sums


class Averaged:
    """The mean of several metrics of the same seeds, such as that of Pearson's and Spearman's correlation."""

    def __init__(self, parts: Sequence[Resamplable]) -> None:
        """Raises `ValueError` for no parts, or parts with different seeds or examples."""
        if len({(part.n_seeds, part.n_examples) for part in parts}) != 1:
            raise ValueError("the parts must have the same seeds and examples")
        self._parts = tuple(parts)

    @property
    def n_seeds(self) -> int:
        return self._parts[0].n_seeds

    @property
    def n_examples(self) -> int:
        return self._parts[0].n_examples

    def scores(self, counts: Floats | None = None) -> NDArray[np.float64]:
        """See `Resamplable.scores`."""
        return np.asarray(np.mean([part.scores(counts) for part in self._parts], axis=0))


class Draws(NamedTuple):
    """One arm with one metric: the scores of its seeds on the original and on resampled examples."""

    scores: NDArray[np.float64]
    """[seeds]"""
    resampled: NDArray[np.float64] | None = None
    """[resamples, seeds], each seed's in a row of memory; None if the examples cannot be resampled."""
    columns: NDArray[np.intp] | None = None
    """Which columns of `resampled` these seeds have; None where they are all, in their order."""

    def of_seeds(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Draws:
        """Those of some seeds, in the order of `chosen`; the resampled scores stay where they are."""
        if self.resampled is None:
            return Draws(self.scores[chosen])
        columns = np.arange(len(self.scores)) if self.columns is None else self.columns
        return Draws(self.scores[chosen], self.resampled, columns[chosen])

    def block(self, rows: slice) -> NDArray[np.float64]:
        """Some resamples of these seeds [rows, seeds]."""
        assert self.resampled is not None
        return self.resampled[rows] if self.columns is None else self.resampled.T[self.columns, rows].T


def resample_examples(arms: Sequence[Resamplable], bootstrap_seed: int, n_resamples: int = N_RESAMPLES) -> list[Draws]:
    """Draw n of n examples with replacement `n_resamples` times, the same for all arms (Sellam et al. 2022, section 4).

    `arms` may contain several metrics of an arm, one entry each, and arms with different numbers of seeds. Resample r is the
    same in every call with the same seed and number of examples, so arms from separate calls can be paired. Raises `ValueError`
    for arms with different numbers of examples.
    """
    sizes = {arm.n_examples for arm in arms}
    if len(sizes) > 1:
        raise ValueError(f"all arms must be scored on the same examples, not on {sorted(sizes)} of them")
    found = [np.empty((arm.n_seeds, n_resamples)).T for arm in arms]
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

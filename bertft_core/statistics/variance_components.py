"""Variance components over runs: init × order seeds crossed, with or without replicates; runs nested in groups."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.mean_squares import MeanSquare, VarianceEstimate, component, residual
from bertft_core.statistics.rounding import ROUNDING, rounding_of_squares

Floats = NDArray[np.floating]


def crossed(cells: Floats, level: float = 0.95) -> tuple[VarianceEstimate, ...]:
    """Components of y_ijk = µ + init_i + order_j + interaction_ij + residual_ijk, all effects random.

    `cells` [init, order] with one run per cell, or [init, order, replicate]. Gives `init`, `order` and `residual`; with two or
    more replicates `interaction` is separate from the residual, which is then the variance within a cell (dropout seeds).
    With one run per cell the residual includes interaction, dropout and nondeterminism. Expected mean squares: Searle,
    Casella & McCulloch 1992, Variance Components, ch. 4; as a design over seeds: Dodge et al. 2020.
    Raises `ValueError` for fewer than 2 × 2 cells or for a missing number.
    """
    cells = _grid(cells)
    a, b, r = cells.shape
    square = _squares_of(cells)
    means = cells.mean(axis=2)
    grand, rows, columns = means.mean(), means.mean(axis=1), means.mean(axis=0)
    init = square(b * r * ((rows - grand) ** 2).sum(), a - 1)
    order = square(a * r * ((columns - grand) ** 2).sum(), b - 1)
    both = square(r * ((means - rows[:, None] - columns[None, :] + grand) ** 2).sum(), (a - 1) * (b - 1))
    found = (component("init", init, both, b * r, level), component("order", order, both, a * r, level))
    if r == 1:
        return *found, residual("residual", both, level)
    within = square(((cells - means[:, :, None]) ** 2).sum(), a * b * (r - 1))
    return *found, component("interaction", both, within, r, level), residual("residual", within, level)


def nested(groups: Sequence[Sequence[float]], level: float = 0.95) -> tuple[VarianceEstimate, VarianceEstimate]:
    """Between and within components of runs in groups: y_ij = µ + group_i + residual_ij, both random.

    A group is one study; studies that differ in the seed of their data split or search give that source's variance
    (Bouthillier et al. 2021). ANOVA estimates with n₀ = (N − Σn²/N)/(k − 1) runs a group and the exact F test; the interval of
    the between component is that of the unweighted means (Thomas & Hultquist 1978), the same for equally large groups.
    Raises `ValueError` for fewer than two groups, an empty one, or no group with two runs.
    """
    sizes = np.array([len(group) for group in groups])
    if len(sizes) < 2 or sizes.min() < 1 or sizes.sum() == len(sizes):
        raise ValueError("it takes two groups, and two runs in one of them")
    means = np.array([np.mean(group) for group in groups])
    k, n = len(sizes), int(sizes.sum())
    squares_within = sum(float(((np.asarray(group) - mean) ** 2).sum()) for group, mean in zip(groups, means, strict=True))
    square = _squares_of(np.concatenate([np.asarray(group, dtype=float) for group in groups]))
    within = square(squares_within, n - k)
    between = square((sizes * (means - sizes @ means / n) ** 2).sum(), k - 1)
    found = component("between", between, within, (n - float((sizes**2).sum()) / n) / (k - 1), level)
    harmonic = k / float((1 / sizes).sum())
    unweighted = component("between", square(harmonic * ((means - means.mean()) ** 2).sum(), k - 1), within, harmonic, level)
    return found._replace(low=unweighted.low, high=unweighted.high), residual("within", within, level)


def _squares_of(scores: Floats) -> Callable[[float, int], MeanSquare]:
    """Makes mean squares of these scores from sums of squares; what is rounding at the size of the scores is exactly 0.

    Otherwise runs that all score the same, as collapsed ones do, would have an F of one rounding by another.
    """
    least = rounding_of_squares(np.asarray(scores, dtype=float), scores.ndim)
    return lambda squares, df: MeanSquare(float(squares) / df if squares > least else 0.0, df)


def level_range(cells: Floats, axis: int) -> float:
    """Largest minus smallest mean over the levels of axis 0 (init) or 1 (order) (Dodge et al. 2020, their code)."""
    return float(np.ptp(_grid(cells).mean(axis=(1 - axis, 2))))


def range_p(cells: Floats, axis: int, rng: np.random.Generator, n_permutations: int = 9999) -> float:
    """Permutation p-value of `level_range`: (k + 1)/(n + 1), k of n permutations with a range at least as large.

    Whole cells are permuted within each level of the other factor, which is exact whatever that one does; permuting all cells,
    as Dodge's code does, carries the other factor's variance into the null distribution. k counts ≥, and the observed order is
    one of the permutations, so p is never 0 (Phipson & Smyth 2010).
    """
    means = _grid(cells).mean(axis=2)
    means = means if axis == 0 else means.T
    observed = float(np.ptp(means.mean(axis=1)))
    reached, chunk = 0, max(1, 2_000_000 // means.size)
    for start in range(0, n_permutations, chunk):
        n = min(chunk, n_permutations - start)
        shuffled = rng.permuted(np.broadcast_to(means, (n, *means.shape)), axis=1)
        reached += int((np.ptp(shuffled.mean(axis=2), axis=1) >= observed - ROUNDING * max(1.0, abs(observed))).sum())
    return (reached + 1) / (n_permutations + 1)


def _grid(cells: Floats) -> Floats:
    cells = np.asarray(cells, dtype=float)
    cells = cells[:, :, None] if cells.ndim == 2 else cells
    if cells.ndim != 3 or min(cells.shape[:2]) < 2 or cells.shape[2] < 1:
        raise ValueError(f"a grid of at least 2 × 2 cells is needed, not {cells.shape}")
    if not np.isfinite(cells).all():
        raise ValueError("a number of the grid is missing")
    return cells

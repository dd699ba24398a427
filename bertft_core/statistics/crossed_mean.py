"""Intervals of a mean and an sd over crossed seeds: runs of a grid share init and order seeds, so they are not independent.

The mean of a × b cells with r runs each varies by σ²(init)/a + σ²(order)/b + σ²(both)/(ab) + σ²(rest)/(abr), all effects random,
which (MS(init) + MS(order) − MS(crossing))/(abr) estimates without bias (Searle, Casella & McCulloch 1992, Variance Components,
ch. 4), but at least MS(crossing)/(abr), the estimate from the cells alone. The interval is mean ± t(ν)·√V with the degrees of
freedom of such a sum (Satterthwaite 1946), at least those of the factor with fewer seeds. With three or more seeds of each kind
its coverage in simulations is 94 to 99 %, and 92 % at worst, where three seeds of one kind are crossed with many of the other;
the interval for independent runs falls to 40 % (tests/unit/test_coverage_simulations.py). With two seeds there is no interval:
its coverage may fall to 90 %, and elsewhere it is too wide to be useful.

If runs are missing, the mean squares are those of the largest complete part, and the variance of the mean of all runs combines
the same components with weights from the runs that exist.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bertft_core.statistics.complete_grid import complete_grid
from bertft_core.statistics.distributions import chdtri
from bertft_core.statistics.estimated_mean import EstimatedMean
from bertft_core.statistics.rounding import Floats, rounding_of_squares
from bertft_core.statistics.shared_by_runs import GridCell

FEWEST_LEVELS = 3
"""Seeds of each kind: two are too few to estimate a variance."""


class _Term(NamedTuple):
    """A mean square and its weight in a sum."""

    weight: float
    square: Floats
    df: int

    @property
    def value(self) -> Floats:
        return self.weight * self.square


def crossed_mean(values: ArrayLike, cells: Sequence[GridCell]) -> EstimatedMean | None:
    """Mean of `values` [n] over all init and order seeds; `cells` [n] are their (init, order) indices.

    None without a complete 3 × 3 grid, and for scores whose squares overflow.
    """
    values = np.asarray(values, dtype=float)
    found = _variance(values, cells)
    if found is None or not math.isfinite(found[0]):
        return None
    variance, terms = float(found[0]), found[1]
    doubt, fewest = sum(float(term.value) ** 2 / term.df for term in terms), min(term.df for term in terms[:2])
    return EstimatedMean(float(values.mean()), variance, max(variance**2 / doubt, fewest) if doubt > 0 else fewest)


def crossed_variances(values: Floats, cells: Sequence[GridCell]) -> Floats | None:
    """The variance of each mean of `values` [..., n], as in `crossed_mean`; None without a complete 3 × 3 grid."""
    found = _variance(values, cells)
    return None if found is None else found[0]


def crossed_sd_interval(values: ArrayLike, cells: Sequence[GridCell], level: float = 0.95) -> tuple[float, float] | None:
    """Interval of the sd of one run with its own seeds, √(σ²(init) + σ²(order) + σ²(both) + σ²(rest)); as in `crossed_mean`.

    A sum of mean squares with non-negative weights: modified large-sample interval (Graybill & Wang 1980, Journal of the
    American Statistical Association 75), for normal effects.
    """
    places, tail = _complete_part(tuple(cells)), 0.5 - level / 2
    if places is None:
        return None
    a, b, r = places.shape
    terms = _mean_squares(np.asarray(values, dtype=float)[places], 1 / (b * r), 1 / (a * r), (1 - 1 / a - 1 / b) / r, 1 - 1 / r)
    total = sum(float(term.value) for term in terms)
    if not math.isfinite(total):
        return None
    below = sum((float(term.value) * (1 - term.df / float(chdtri(term.df, tail)))) ** 2 for term in terms)
    above = sum((float(term.value) * (term.df / float(chdtri(term.df, 1 - tail)) - 1)) ** 2 for term in terms)
    return math.sqrt(max(total - math.sqrt(below), 0.0)), math.sqrt(total + math.sqrt(above))


def _variance(values: Floats, cells: Sequence[GridCell]) -> tuple[Floats, list[_Term]] | None:
    """Variance of the mean over the last axis, and its terms, whose sum it is unless the cells alone give more."""
    places = _complete_part(tuple(cells))
    if places is None:
        return None
    (a, b, r), n = places.shape, len(cells)
    of_init, of_order = (sum(count**2 for count in Counter(cell[axis] for cell in cells).values()) / n**2 for axis in (0, 1))
    of_cells = sum(count**2 for count in Counter(cells).values()) / n**2
    first, second, both, rest = of_init / (b * r), of_order / (a * r), of_cells / r, max(1 / n - of_cells / r, 0.0)
    terms = _mean_squares(values[..., places], first, second, both - first - second, rest)
    least = both * terms[2].square + sum((term.value for term in terms[3:]), np.float64(0))
    return np.maximum(sum((term.value for term in terms), np.float64(0)), least), terms


def _mean_squares(grid: Floats, init: float, order: float, crossing: float, within: float) -> list[_Term]:
    """Mean squares of `grid` [..., init, order, replicates] with these weights; the one within cells only with replicates.

    Sums of squares that are only rounding are exactly 0, as in `variance_components`.
    """
    a, b, r = grid.shape[-3:]
    cells = grid.mean(axis=-1)
    rows, columns, grand = cells.mean(axis=-1), cells.mean(axis=-2), cells.mean(axis=(-1, -2))[..., None]
    both = cells - rows[..., :, None] - columns[..., None, :] + grand[..., None]
    least = rounding_of_squares(grid, 3)
    sums = [
        (init, b * r * ((rows - grand) ** 2).sum(axis=-1), a - 1),
        (order, a * r * ((columns - grand) ** 2).sum(axis=-1), b - 1),
        (crossing, r * (both**2).sum(axis=(-1, -2)), (a - 1) * (b - 1)),
    ]
    sums += [(within, ((grid - cells[..., None]) ** 2).sum(axis=(-1, -2, -3)), a * b * (r - 1))] if r > 1 else []
    return [_Term(weight, np.where(squares > least, squares, 0.0) / df, df) for weight, squares, df in sums]


@lru_cache(maxsize=32)
def _complete_part(cells: tuple[GridCell, ...]) -> NDArray[np.int64] | None:
    """Indices of the runs in the complete part [init, order, replicates]; cached for all metrics of an arm."""
    runs: dict[GridCell, list[float]] = {}
    for place, cell in enumerate(cells):
        runs.setdefault(cell, []).append(place)
    found = complete_grid(runs) if runs else None
    if found is None or min(found.values.shape[:2]) < FEWEST_LEVELS:
        return None
    return found.values.astype(np.int64)

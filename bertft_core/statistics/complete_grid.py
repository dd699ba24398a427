"""The largest complete part of a grid with missing runs."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertft_core.statistics.shared_by_runs import GridCell

EXACT_UP_TO = 12
"""Levels of the shorter side up to which the search is exhaustive."""


class CompleteGrid(NamedTuple):
    """Cells with the same number of runs."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    values: NDArray[np.floating]
    """[rows, columns, replicates]"""
    n_left_out: int
    """Runs that are not in it."""


def complete_grid(runs: Mapping[GridCell, Sequence[float]]) -> CompleteGrid | None:
    """The largest grid in which every cell has the same number of runs; `runs` by (row, column).

    Of equals the one with more replicates. Exact up to twelve rows or columns; beyond, the row or column with the largest share
    of gaps is removed until none is left. None if not even 2 × 2 cells are complete.
    """
    rows, columns = (sorted({cell[axis] for cell in runs}) for axis in (0, 1))
    best: tuple[int, int, list[int], list[int]] | None = None
    for r in sorted({len(values) for values in runs.values()} - {0}, reverse=True):
        full = np.array([[len(runs.get((row, column), ())) >= r for column in columns] for row in rows])
        chosen = _largest(full)
        if chosen is not None and (best is None or len(chosen[0]) * len(chosen[1]) * r > best[0]):
            best = len(chosen[0]) * len(chosen[1]) * r, r, *chosen
    if best is None:
        return None
    size, r, i, j = best
    kept_rows, kept_columns = tuple(rows[k] for k in i), tuple(columns[k] for k in j)
    values = np.array([[list(runs[row, column])[:r] for column in kept_columns] for row in kept_rows], dtype=float)
    return CompleteGrid(kept_rows, kept_columns, values, sum(map(len, runs.values())) - size)


def _largest(full: NDArray[np.bool_]) -> tuple[list[int], list[int]] | None:
    """Rows and columns, at least two each, whose cells are all full."""
    if full.all():
        found = list(range(full.shape[0])), list(range(full.shape[1]))
    elif min(full.shape) > EXACT_UP_TO:
        found = _peeled(full)
    elif full.shape[0] <= full.shape[1]:
        found = _tried(full)
    else:
        columns, rows = _tried(full.T)
        found = rows, columns
    return found if min(map(len, found)) >= 2 else None


def _tried(full: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    best: tuple[list[int], list[int]] = [], []
    for n in range(full.shape[0], 1, -1):
        for rows in combinations(range(full.shape[0]), n):
            columns = np.flatnonzero(full[list(rows)].all(axis=0))
            if len(columns) >= 2 and n * len(columns) > len(best[0]) * len(best[1]):
                best = list(rows), columns.tolist()
    return best


def _peeled(full: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    rows, columns = list(range(full.shape[0])), list(range(full.shape[1]))
    while rows and columns and not (part := full[np.ix_(rows, columns)]).all():
        gaps_of_rows, gaps_of_columns = (~part).mean(axis=1), (~part).mean(axis=0)
        if gaps_of_rows.max() >= gaps_of_columns.max():
            del rows[int(gaps_of_rows.argmax())]
        else:
            del columns[int(gaps_of_columns.argmax())]
    return rows, columns

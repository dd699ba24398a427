"""Columns of lists for the tables of predictions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def matrix_column(values: NDArray[Any]) -> pa.Array:
    """[n, k] as a column of n lists with k numbers each."""
    flat = np.ascontiguousarray(values).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), values.shape[1])


def ragged_column(rows: Sequence[NDArray[Any]]) -> pa.Array:
    """Rows [k] of numbers as a column of lists of different lengths; rows [k, m] as lists of lists with m numbers each."""
    offsets = pa.array(np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32))
    flat = np.concatenate(rows)
    return pa.ListArray.from_arrays(offsets, matrix_column(flat) if flat.ndim == 2 else pa.array(flat))

"""Columns of a table of predictions as numpy arrays, refusing nulls and wrong widths."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def vector(table: pa.Table, name: str) -> NDArray:
    """A column of numbers [rows]. Raises `ValueError` for a column that is missing, is empty or holds null."""
    return numbers(column(table, name))


def matrix(table: pa.Table, name: str, width: int) -> NDArray:
    """A column of lists of `width` numbers, [rows, width]. Raises `ValueError` as `vector` does and for another width."""
    lists = column(table, name)
    if pa.types.is_fixed_size_list(lists.type) and lists.type.list_size == width:  # as predictions are stored
        return _flat(lists, name).reshape(len(lists), width)
    values, lengths = _flat(lists, name), list_lengths(lists)
    if (lengths != width).any():
        raise ValueError(f"column {name!r} has lists of {sorted(set(lengths.tolist()))} numbers, expected {width}")
    return values.reshape(len(lengths), width)


def ragged(table: pa.Table, name: str) -> tuple[NDArray, NDArray[np.int64]]:
    """A column of lists of numbers: all numbers in one array [total], and how many each row has [rows].

    Raises `ValueError` as `vector` does.
    """
    lists = column(table, name)
    return _flat(lists, name), list_lengths(lists)


def _flat(lists: pa.Array, name: str) -> NDArray:
    values = lists.flatten()
    if values.null_count:
        raise ValueError(f"column {name!r} holds null")
    return numbers(values)


def list_lengths(lists: pa.Array) -> NDArray[np.int64]:
    """How many values each row of a column of lists has [rows]."""
    return numbers(pc.list_value_length(lists)).astype(np.int64)


def column(table: pa.Table, name: str) -> pa.Array:
    """One column in one piece. Raises `ValueError` for a column that is missing, is empty or holds null."""
    if name not in table.column_names:
        raise ValueError(f"no column {name!r} among {table.column_names}")
    if table.num_rows == 0:
        raise ValueError("no examples to score")
    chunked = table.column(name)
    if chunked.null_count:
        raise ValueError(f"column {name!r} holds null")
    return chunked.chunk(0) if chunked.num_chunks == 1 else pa.concat_arrays(chunked.chunks)


def numbers(array: pa.Array) -> NDArray:
    """An array without nulls, through DLPack, since Arrow's own `to_numpy` imports pandas."""
    return np.from_dlpack(array) if len(array) else np.zeros(0, dtype=array.type.to_pandas_dtype())

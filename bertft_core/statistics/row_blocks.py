"""Rows of a large array block by block: what is computed of them stays in the processor's cache, and memory is flat."""

from collections.abc import Iterator

NUMBERS = 2**17
"""In one block: 1 MB of float64."""
FEWEST = 4
"""Rows of a block. Numpy adds up a single row in another order than several, and BLAS takes four at a time."""


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices that together are all `n_rows` of an array [n_rows, n_columns], in their order."""
    size = max(FEWEST, NUMBERS // max(n_columns, 1) // FEWEST * FEWEST)
    start = 0
    while start < n_rows:
        stop = start + size if n_rows - start - size >= FEWEST else n_rows
        yield slice(start, stop)
        start = stop

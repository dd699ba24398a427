"""Parquet: rows read in small batches, so that neither a damaged nor a well compressed file fills the memory."""

import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.columns import nearest_column, place_columns
from bertft_core.data.examples import Row, shorten
from bertft_core.data.readers.column_hints import hint_of_usual
from bertft_core.data.readers.file_options import DEFAULTS, FileOptions
from bertft_core.data.readers.file_text import GZIP_ENDING, bytes_of, chunks_of, in_units, too_large
from bertft_core.data.reading_progress import has_read
from bertft_core.storage.foreign_content import foreign_start

N_BATCH = 256
"""Rows that are decoded at once, or fewer where they may be large."""
BROKEN = (OSError, ValueError, OverflowError, KeyError)
"""What pyarrow raises for a damaged file, beside its own."""


def read_parquet(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """Parquet; the line of a row is its number."""
    import pyarrow

    n_batches, n_cells, row = 0, 0, 0
    try:
        with _opened(path, options) as file:
            names = file.schema_arrow.names
            hint = partial(hint_of_usual, columns, names, options)
            known = place_columns(columns, names, path=str(path), line=1, hint=hint, keys=options.keys)
            places = [*known, *(nearest_column(name, names) for name in optional)]
            read = list(dict.fromkeys(names[place] for place in places if place is not None))
            size, n_rows = path.stat().st_size, file.metadata.num_rows
            for batch in _batches(file, read, path, options):
                has_read(path, size * row // max(n_rows, 1), size)
                n_batches += batch.nbytes
                for k in range(batch.num_rows):
                    cells = tuple(None if place is None else _cell(batch, names[place], k, path, row + 1) for place in places)
                    n_cells += sum(map(_n_characters, cells))
                    if max(n_batches, n_cells) > options.max_bytes:
                        raise too_large(path, f"more than {in_units(options.max_bytes)} after {row:,} rows", options)
                    row += 1
                    yield row, cells
    except (pyarrow.ArrowException, *BROKEN) as error:
        raise _unreadable(path, options, error, row) from None


def parquet_columns(path: Path, options: FileOptions = DEFAULTS) -> list[str]:
    """The names of the columns in order. Raises `UserError` for another file."""
    import pyarrow

    try:
        with _opened(path, options) as file:
            return list(file.schema_arrow.names)
    except (pyarrow.ArrowException, *BROKEN) as error:
        raise _unreadable(path, options, error) from None


def _opened(path: Path, options: FileOptions) -> Any:
    from pyarrow import parquet

    compressed = path.suffix.lower() == GZIP_ENDING
    return parquet.ParquetFile(io.BytesIO(bytes_of(path, options)) if compressed else path)


def _unreadable(path: Path, options: FileOptions, error: Exception, row: int = 0) -> UserError:
    foreign = None if row else foreign_start(next(chunks_of(path, options), b""))
    foreign = None if foreign is not None and foreign.what == "a Parquet file" else foreign
    return UserError(
        "the Parquet file cannot be read",
        code="parquet.unreadable",
        path=path,
        line=row or None,
        found=(shorten(str(error), 160) or type(error).__name__) if foreign is None else foreign.what,
        expected="a Parquet file",
        hint="copy or write it again" if foreign is None else foreign.remedy,
    )


def _batches(file: Any, columns: Sequence[str], path: Path, options: FileOptions) -> Iterator[Any]:
    """The rows in batches of bounded size, counted by what the file says of its columns before anything is decoded.

    A dictionary, or a prefix, may repeat the largest cell in every row, and no cell is larger than its column.
    """
    sizes = [_decompressed_size(file.metadata.row_group(group), columns) for group in range(file.num_row_groups)]
    if sum(sizes) > options.max_bytes:
        raise too_large(path, f"{in_units(sum(sizes))} in the columns {shorten(', '.join(columns))}", options)
    for group, size in enumerate(sizes):
        n_fitting = options.max_bytes // max(size, 1)
        yield from file.iter_batches(max(1, min(N_BATCH, n_fitting)), row_groups=[group], columns=columns)


def _decompressed_size(group: Any, columns: Sequence[str]) -> int:
    """Of the columns in a row group, in bytes; those of nested columns are named as `tokens.list.element`."""
    chunks = [group.column(place) for place in range(group.num_columns)]
    inside = tuple(f"{name}." for name in columns)
    return sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if chunk.path_in_schema in columns or chunk.path_in_schema.startswith(inside)
    )


def _cell(batch: Any, name: str, k: int, path: Path, row: int) -> object:
    try:
        return batch.column(name)[k].as_py()
    except UnicodeDecodeError as error:
        raise UserError(
            f"the text in column '{name}' is not UTF-8",
            code="file.wrong-encoding",
            path=path,
            line=row,
            found=f"byte 0x{error.object[error.start]:02x}: {shorten(error.object.decode('utf-8', 'replace'))}",
            expected="text in UTF-8, as Parquet demands",
            hint="write the file again from decoded text, or convert the column to UTF-8",
        ) from None


def _n_characters(cell: object) -> int:
    """Of all texts in a cell: a dictionary holds a text once, however many rows have it."""
    if isinstance(cell, str | bytes):
        return len(cell)
    inner = cell.values() if isinstance(cell, dict) else cell if isinstance(cell, list) else ()
    return sum(map(_n_characters, inner))

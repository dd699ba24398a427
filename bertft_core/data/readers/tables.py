"""Tables (CSV, TSV, JSONL, Parquet): the wanted cells of every row with its line, without guessing at values.

Cells are kept as written ("NA", "None" and "null" are texts), which is why pandas does not read them.
In JSONL and Parquet a cell may also be a list (words, tags, labels) or an object (answers).
The cells of `optional` columns follow those of the wanted ones, None if there is no such column.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.examples import Row, place_columns, shorten
from bertft_core.data.readers.file_text import GZIP_ENDING, bytes_of, empty_file, text_of
from bertft_core.data.readers.json_with_lines import json_problem, unique_keys

csv.field_size_limit(2**31 - 1)  # the default of 131,072 characters is too small for long documents


def read_csv(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Row]:
    """Comma-separated with a header; quoted cells may contain commas, quotes (doubled) and line ends."""
    cells = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    yield from _table_rows(path, columns, optional, cells, "put cells with commas or line ends in double quotes")


def read_tsv(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Row]:
    """Tab-separated with a header; quotes have no meaning, as in the registered format and in GLUE."""
    cells = csv.reader(io.StringIO(text_of(path), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    hint = "TSV cells cannot contain tabs or line ends; use CSV or JSONL"
    yield from _table_rows(path, columns, optional, cells, hint)


def _table_rows(path: Path, columns: Sequence[str], optional: Sequence[str], reader: Any, hint: str) -> Iterator[Row]:
    header: list[str] | None = None
    places: list[int | None] = []
    line = 1
    try:
        for cells in reader:
            if not cells:
                pass  # a blank line
            elif header is None:
                header = cells
                present = [name for name in optional if name in header]
                known = place_columns([*columns, *present], header, path=str(path), line=line)
                places = [*known[: len(columns)], *(header.index(name) if name in header else None for name in optional)]
            elif len(cells) != len(header):
                raise UserError(
                    f"the row has too {'many' if len(cells) > len(header) else 'few'} cells",
                    code="table.cells-of-row",
                    path=path,
                    line=line,
                    found=f"{len(cells)} cells: {shorten(' | '.join(cells))}",
                    expected=f"{len(header)} cells: {shorten(' | '.join(header))}",
                    hint=hint,
                )
            else:
                yield line, tuple(None if place is None else cells[place] for place in places)
            line = reader.line_num + 1  # where the next row starts, also after a cell with line ends
    except csv.Error as error:
        raise UserError(
            "the row cannot be read",
            code="table.unreadable-row",
            path=path,
            line=line,
            found=str(error),
            expected="well-formed quotes",
            hint=hint,
        ) from None
    if header is None:
        raise empty_file(path, "column names, then rows")


def read_jsonl(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Row]:
    """One JSON object per line."""
    for line, text in enumerate(text_of(path).split("\n"), start=1):  # not splitlines: JSON strings may contain U+2028
        if not text.strip():
            continue
        try:
            value = json.loads(text, object_pairs_hook=partial(_object, path, line))
        except (ValueError, RecursionError) as error:  # also for numbers with thousands of digits and deeply nested lists
            raise UserError(
                "the line is not valid JSON",
                code="jsonl.invalid-line",
                path=path,
                line=line,
                found=f"{json_problem(error)}: {shorten(text)}",
                expected="one JSON object on each line",
                hint="correct the line",
            ) from None
        if not isinstance(value, dict):
            raise UserError(
                "the line is not a JSON object",
                code="jsonl.not-an-object",
                path=path,
                line=line,
                found=shorten(text),
                expected='{"text": …}',
            )
        place_columns(columns, list(value), path=str(path), line=line)
        yield line, (*(value[column] for column in columns), *(value.get(column) for column in optional))


def _object(path: Path, line: int, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(unique_keys(pairs, path, line))


def read_parquet(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Row]:
    """Parquet; the line of a row is its number."""
    import pyarrow
    from pyarrow import parquet

    try:
        compressed = path.suffix.lower() == GZIP_ENDING
        with parquet.ParquetFile(io.BytesIO(bytes_of(path)) if compressed else path) as file:
            names = file.schema_arrow.names
            place_columns(columns, names, path=str(path), line=1)
            table = file.read(columns=list(dict.fromkeys([*columns, *(name for name in optional if name in names)])))
    except (pyarrow.ArrowException, OSError) as error:
        found = shorten(str(error), 160)
        raise UserError(
            "the Parquet file cannot be read", code="parquet.unreadable", path=path, found=found, expected="a Parquet file"
        ) from None
    absent = [None] * table.num_rows
    cells = [table.column(name).to_pylist() if name in names else absent for name in (*columns, *optional)]
    yield from enumerate(zip(*cells, strict=True), start=1)

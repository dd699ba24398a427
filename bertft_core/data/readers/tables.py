"""Tables (CSV, TSV, JSONL, Parquet): the wanted cells of every row with its line, without guessing at values.

Cells are kept as written ("NA", "None" and "null" are texts), which is why pandas does not read them.
In JSONL and Parquet a cell may also be a list (words, tags, labels) or an object (answers).
The cells of `optional` columns follow those of the wanted ones, None if there is no such column.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.columns import nearest_column, place_columns
from bertft_core.data.examples import Row, shorten
from bertft_core.data.readers.column_hints import hint_for_columns, hint_of_usual
from bertft_core.data.readers.file_content import ONE_LIST
from bertft_core.data.readers.file_options import DEFAULTS, FileOptions
from bertft_core.data.readers.file_text import each_line, empty_file
from bertft_core.data.readers.json_with_lines import json_problem, unique_keys
from bertft_core.data.readers.table_rows import Dialect, Rows, dialect_of, table_rows
from bertft_core.data.usual_columns import are_column_names


def read_csv(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """Comma-separated with a header; quoted cells may contain commas, quotes (doubled) and line ends."""
    hint = "put cells with commas or line ends in double quotes"
    yield from _read_table(path, columns, optional, options, dialect_of("csv", options), hint)


def read_tsv(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """Tab-separated with a header; quotes have no meaning, as in the registered format and in GLUE."""
    hint = "TSV cells cannot contain tabs or line ends; use CSV or JSONL" + options.hint(", or set data.quoting: double", "")
    yield from _read_table(path, columns, optional, options, dialect_of("tsv", options), hint)


def _read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str], options: FileOptions, dialect: Dialect, usual_hint: str
) -> Iterator[Row]:
    reader = table_rows(path, options, dialect)
    line, header, places = 1, list(options.columns), []
    hint_of_row = options.hint("correct data.columns or the row", "correct the row")
    if not options.header:
        places = _places(path, columns, optional, header, None, options, dialect)
    try:
        for cells in reader if options.header else _without_header(reader, path, options):
            if not cells:
                pass  # a blank line
            elif not header:
                header = cells
                places = _places(path, columns, optional, header, line, options, dialect)
            elif len(cells) != len(header):
                raise _ragged(path, line, cells, header, usual_hint if options.header else hint_of_row)
            else:
                yield line, tuple(None if place is None else cells[place] for place in places)
            line = reader.line_num + 1  # where the next row starts, also after a cell with line ends
    except csv.Error as error:
        hint = usual_hint + options.hint("; where quotes have no meaning, set data.quoting: none" if dialect.quoted else "", "")
        raise UserError(
            "the row cannot be read",
            code="table.unreadable-row",
            path=path,
            line=line,
            found=str(error),
            expected="well-formed quotes",
            hint=hint,
        ) from None
    if not header or line == 1:
        raise empty_file(path, "column names, then rows")


def _without_header(reader: Rows, path: Path, options: FileOptions) -> Iterator[list[str]]:
    """The rows; a `UserError` if the first one that is written names the columns after all."""
    is_first = True
    for cells in reader:
        if cells and is_first and are_column_names(cells, options.columns):
            raise UserError(
                "the first row names the columns, and would be an example",
                code="table.unexpected-header",
                path=path,
                line=reader.line_num,
                found=shorten(" | ".join(cells)),
                expected="examples only" + options.hint(", as data.header is false", ", as in the study's files"),
                hint=options.hint("remove data.header and data.columns, or this row", "remove this row"),
            )
        is_first = is_first and not cells
        yield cells


def _places(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str],
    header: Sequence[str],
    line: int | None,
    options: FileOptions,
    dialect: Dialect,
) -> list[int | None]:
    hint = partial(hint_for_columns, path, columns, header, options, dialect)
    present = [name for name in optional if name in header]  # twice is an error too
    known = place_columns([*columns, *present], header, path=str(path), line=line, hint=hint, keys=options.keys)
    return [*known[: len(columns)], *(nearest_column(name, header) for name in optional)]


def _ragged(path: Path, line: int, cells: Sequence[str], header: Sequence[str], hint: str) -> UserError:
    return UserError(
        f"the row has too {'many' if len(cells) > len(header) else 'few'} cells",
        code="table.cells-of-row",
        path=path,
        line=line,
        found=f"{len(cells)} cells: {shorten(' | '.join(cells))}",
        expected=f"{len(header)} cells: {shorten(' | '.join(header))}",
        hint=hint,
    )


def read_jsonl(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """One JSON object per line."""
    for line, text in enumerate(each_line(path, options), start=1):
        if not text.strip():
            continue
        value = _value(path, line, text)
        if not isinstance(value, dict):
            raise _no_object(path, line, text)
        names = list(value)
        hint = partial(hint_of_usual, columns, names, options)
        places = place_columns(columns, names, path=str(path), line=line, hint=hint, keys=options.keys)
        more = [nearest_column(name, names) for name in optional]
        yield line, tuple(None if place is None else value[names[place]] for place in (*places, *more))


def _value(path: Path, line: int, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=partial(_object, path, line))
    except (ValueError, RecursionError) as error:  # also for numbers with thousands of digits and deeply nested lists
        if line == 1 and text.lstrip().startswith("["):
            raise _no_object(path, line, text) from None
        raise UserError(
            "the line is not valid JSON",
            code="jsonl.invalid-line",
            path=path,
            line=line,
            found=f"{json_problem(error)}: {shorten(text)}",
            expected="one JSON object on each line",
            hint="correct the line",
        ) from None


def _no_object(path: Path, line: int, text: str) -> UserError:
    is_list = line == 1 and text.lstrip().startswith("[")
    return UserError(
        "the line is not a JSON object",
        code="jsonl.not-an-object",
        path=path,
        line=line,
        found=shorten(text),
        expected='{"text": …}',
        hint=ONE_LIST if is_list else "correct the line",
    )


def _object(path: Path, line: int, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(unique_keys(pairs, path, line))

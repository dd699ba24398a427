"""What to do about a table that lacks the wanted columns: another kind of file, delimiter or header, or columns that serve."""

import csv
from collections.abc import Sequence
from pathlib import Path

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.data.readers.file_content import DELIMITERS, ONE_LIST, format_by_content, is_list_of_rows
from bertft_core.data.readers.file_options import HEAD_OF_FORMAT, FileOptions
from bertft_core.data.readers.file_text import chunks_of
from bertft_core.data.readers.table_rows import Dialect
from bertft_core.data.readers.table_shape import shape_of
from bertft_core.data.usual_columns import LABELS, TAGS, TEXTS, TOKENS, first_usual, usual_text
from bertft_core.storage.foreign_content import foreign_start


def hint_for_columns(
    path: Path, columns: Sequence[str], header: Sequence[str], options: FileOptions, dialect: Dialect
) -> str | None:
    """Why a table of CSV or TSV may lack columns, and what to do. None if nothing seems to be the reason."""
    foreign = foreign_start(next(chunks_of(path, options), b""))
    if foreign is not None:
        return f"this is {foreign.what}: {foreign.remedy}"
    delimiter = _other_delimiter(columns, header, dialect.delimiter)
    if delimiter is not None:
        return _hint_of_delimiter(delimiter, options, dialect)
    if is_list_of_rows(path, options.encoding):
        return ONE_LIST
    found = format_by_content(path, options.encoding)
    if found in ("conll", "conllu", "jsonl", "squad"):
        return _hint_of_format(found, options)
    if not options.header:
        return options.hint("correct data.columns or the row", "give the row the columns of the study's files")
    return _hint_of_shape(path, columns, options, dialect)


def hint_of_usual(wanted: Sequence[str], names: Sequence[str], options: FileOptions, flags: Sequence[str] = ()) -> str | None:
    """Which keys of `data` to set where a table lacks default columns and has others that the head can read.

    `flags` are the columns that hold only 0 and 1. None where no other columns serve, and where no keys can be set.
    """
    folded = {name.casefold().strip() for name in names}
    one_hot = flags if len(flags) > 1 and options.head != "regression" else None
    text = usual_text(names)
    if options.head == "masked_lm" and isinstance(text, tuple):  # which reads one text
        text = first_usual(TEXTS, names) or text[0]
    serving = {
        "text": text,
        "label": first_usual(LABELS, names) or one_hot,
        "tokens": first_usual(TOKENS, names),
        "tags": first_usual(TAGS, names),
    }
    keys = [f"data.{key}: {_listed(found)}" for key, found in serving.items() if key in wanted and key not in folded and found]
    if not keys and options.head == "regression" and "label" in wanted and did_you_mean("label", names) is None:
        keys = ["data.label to the column of the numbers"]
    return f"set {' and '.join(keys)}" if keys and options.keys else None


def _listed(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else f"[{', '.join(names)}]"


def _other_delimiter(columns: Sequence[str], header: Sequence[str], delimiter: str) -> str | None:
    """One that cuts the header into the wanted columns, or a single cell into several."""
    start = delimiter.join(header)
    for other in DELIMITERS:
        names = [cell.strip(' "') for cell in start.split(other)]
        if other != delimiter and (set(columns) <= set(names) or len(header) == 1 < len(names)):
            return other
    return None


def _hint_of_delimiter(found: str, options: FileOptions, dialect: Dialect) -> str:
    key = {"\t": "data.format: tsv", ",": "data.format: csv"}.get(found, f"data.delimiter: '{found}'")
    if options.delimiter is not None:  # which wins over the format's own
        key = "data.delimiter: " + {"\t": '"\\t"'}.get(found, f"'{found}'")
    own = DELIMITERS.get(dialect.delimiter, f"'{dialect.delimiter}'")
    return f"the cells seem to be separated by {DELIMITERS[found]}: " + options.hint(f"set {key}", f"separate them by {own}")


def _hint_of_format(found: str, options: FileOptions) -> str:
    meant = HEAD_OF_FORMAT.get(found)
    head = "" if meant is None or options.head in (None, meant) else f"head: {meant} and "
    return f"the content looks like {found}: " + options.hint(f"set {head}data.format: {found}", "convert it to a table")


def _hint_of_shape(path: Path, columns: Sequence[str], options: FileOptions, dialect: Dialect) -> str | None:
    """No header, or other columns that serve."""
    try:
        shape = shape_of(path, options, dialect)
    except (UserError, csv.Error):
        return None
    if shape.has_header:
        return hint_of_usual(columns, shape.names, options, shape.flags)
    named = f"set data.header: false and name all columns, such as data.columns: [{', '.join(shape.names)}]"
    return "no header? " + options.hint(named, f"add a first line that names the columns, such as {', '.join(columns)}")

"""The rows of CSV and TSV as a stream of cells, whatever they mean."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from bertft_core.data.readers.file_options import FileOptions
from bertft_core.data.readers.file_text import each_line

csv.field_size_limit(2**31 - 1)  # the default of 131,072 characters is too small for long documents
OLD_LINE_ENDS = re.compile(r"(?<=\r)(?!\n)")


class Rows(Protocol):
    """The rows of `csv.reader`."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


class Dialect(NamedTuple):
    """How rows are cut into cells."""

    delimiter: str
    quoted: bool
    """Double quotes enclose cells; else they have no meaning."""


USUAL = {"csv": Dialect(",", True), "tsv": Dialect("\t", False)}
"""Format → its dialect where `data` has no other."""


def dialect_of(file_format: str, options: FileOptions) -> Dialect:
    """The format's own dialect with what the options change."""
    usual = USUAL[file_format]
    return Dialect(options.delimiter or usual.delimiter, usual.quoted if options.quoting is None else options.quoting == "double")


def table_rows(path: Path, options: FileOptions, dialect: Dialect) -> Rows:
    """The rows, blank lines as empty lists; `line_num` is the last line of the row. Raises `csv.Error` for broken quotes."""
    lines = _lines(path, options)
    if dialect.quoted:
        return csv.reader(lines, delimiter=dialect.delimiter, strict=True)
    return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)


def _lines(path: Path, options: FileOptions) -> Iterator[str]:
    """The lines with their ends, also the CR of an old Mac, which `csv` does not look for within a line."""
    for line in each_line(path, options):
        if "\r" in line:
            yield from (part for part in OLD_LINE_ENDS.split(line) if part)
        elif line:
            yield line

"""What the rows of a CSV or TSV file show: whether the first one names the columns, and what they may be called if not."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bertft_core.data.readers.file_options import FileOptions
from bertft_core.data.readers.file_text import at_most
from bertft_core.data.readers.table_rows import Dialect, table_rows
from bertft_core.data.usual_columns import EVERY_NAME

MIN_WORDS = 4
"""A column name hardly has as many words."""
NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")
FLAGS = frozenset({"0", "1"})
MOST_VALUES = 1000
"""Different values of a column that are remembered."""
MAX_CLASSES = 200
"""A column without a name that has more different values is not taken for the label."""


class TableShape(NamedTuple):
    """What all rows of a table show."""

    has_header: bool
    names: tuple[str, ...]
    """Of all columns: those of the header, or by what the columns hold."""
    flags: tuple[str, ...] = ()
    """Those with a header that hold only 0 and 1."""
    likely: tuple[str, ...] = ()
    """With a header: what its columns hold, as `names` says it where there is none."""


class _Column:
    """The cells of a column, counted in passing."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.n_characters, self.n_empty = 0, 0

    def add(self, cell: str) -> None:
        self.n_characters += len(cell)
        self.n_empty += not cell.strip()
        if len(self.values) <= MOST_VALUES:
            self.values.add(cell)


def shape_of(path: Path, options: FileOptions, dialect: Dialect) -> TableShape:
    """The shape of a table by all its rows, read as a stream. Raises what reading raises, too many rows, and `csv.Error`."""
    rows = (cells for cells in table_rows(path, options, dialect) if cells)
    first: list[str] = next(rows, [])
    columns = [_Column() for _ in first]
    n_rows = _count(at_most(rows, path, options), columns)
    if _is_header(first, columns):
        flags = tuple(name for name, column in zip(first, columns, strict=True) if column.values <= FLAGS)
        return TableShape(True, tuple(first), flags, _names(columns, n_rows))
    n_rows += _count([first], columns)
    return TableShape(False, _names(columns, n_rows))


def _count(rows: Iterable[Sequence[str]], columns: Sequence[_Column]) -> int:
    n_rows = 0
    for n_rows, cells in enumerate(rows, start=1):  # noqa: B007
        for cell, column in zip(cells, columns, strict=False):
            column.add(cell)
    return n_rows


def _is_header(first: Sequence[str], columns: Sequence[_Column]) -> bool:
    """A usual name makes a header; a number, a sentence, or a value that occurs again below makes a row of data."""
    if any(cell.strip().casefold() in EVERY_NAME for cell in first):
        return True
    repeated = max(Counter(cell for cell in first if cell).values(), default=0) > 1
    again = any(cell.strip() and cell in column.values for cell, column in zip(first, columns, strict=True))
    return not (repeated or again or any(len(cell.split()) >= MIN_WORDS or NUMBER.fullmatch(cell) for cell in first))


def _names(columns: Sequence[_Column], n_rows: int) -> tuple[str, ...]:
    """The column with the most characters is the text; of the others, that with the fewest values is the label."""
    places = range(len(columns))
    text = max(places, key=lambda k: columns[k].n_characters, default=0)
    named = [k for k in places if k != text and 2 <= len(columns[k].values) <= MAX_CLASSES and not columns[k].n_empty]
    label = min(named, key=lambda k: len(columns[k].values), default=None)
    if label is None or len(columns) == 2 or 2 * len(columns[label].values) > max(n_rows, 4):
        label = 1 - text if len(columns) == 2 else None
    return tuple("text" if k == text else "label" if k == label else f"column_{k + 1}" for k in places)


def is_even(path: Path, options: FileOptions, dialect: Dialect) -> bool:
    """Whether every row has the same number of cells, and more than one; broken quotes are not even."""
    rows = (cells for cells in table_rows(path, options, dialect) if cells)
    try:
        n_cells = len(next(rows, []))
        return n_cells > 1 and all(len(cells) == n_cells for cells in at_most(rows, path, options))
    except csv.Error:
        return False

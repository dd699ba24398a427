"""From columns of 0 and 1, one for each label, to the head that learns them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.cells import is_on
from bertft_core.data.examples import SourceLocation
from bertft_core.recipes.data_files import cells_of
from bertft_core.recipes.file_reading import FileReading
from bertft_core.recipes.label_kinds import LabelKind
from bertft_core.recipes.reasons import because

FEWEST = 2
"""Columns that can be the labels of one task."""


def kind_of_flags(path: Path, reading: FileReading, columns: Sequence[str], head: str | None, *, named: bool) -> LabelKind | None:
    """The head for those of the columns that hold only 0 and 1 in all rows; None if there are no two of them.

    Columns that the user named are taken as they are. One label in every row is a classification, else several labels apply.
    """
    if head not in (None, "classification", "multi_label") or len(columns) < FEWEST:
        return None
    flags = list(columns) if named else _flags(path, reading, columns)
    if len(flags) < FEWEST:
        return None
    chosen = head or ("classification" if _one_each(path, reading, flags) else "multi_label")
    return LabelKind(
        chosen, {"label": flags}, (because("one_of_columns" if chosen == "classification" else "flag_columns", columns=flags),)
    )


def _flags(path: Path, reading: FileReading, columns: Sequence[str]) -> list[str]:
    """The columns of which every cell is 0 or 1."""
    left = dict.fromkeys(range(len(columns)))
    for cells in cells_of(path, reading, columns):
        for k in [k for k in left if _on(cells[k]) is None]:
            del left[k]
        if not left:
            break
    return [columns[k] for k in left]


def _one_each(path: Path, reading: FileReading, flags: Sequence[str]) -> bool:
    return all(sum(bool(_on(cell)) for cell in cells) == 1 for cells in cells_of(path, reading, flags))


def _on(cell: Any) -> bool | None:
    """Whether a cell is on; None for one that is neither 0 nor 1."""
    try:
        return is_on(cell, "", SourceLocation("", 0))
    except UserError:
        return None

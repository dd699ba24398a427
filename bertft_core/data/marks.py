"""Columns that say where an example belongs, beside those that the head reads: the group that it must stay with."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data.cells import label_of
from bertft_core.data.examples import Example, ReadExample, SourceLocation

COLUMNLESS = {
    "conll": "its columns belong to words, not to sentences",
    "conllu": "its columns belong to words, not to sentences",
    "text": "it holds texts alone",
}
"""Format → why it can have no column of groups."""


def marks_of(data: DataConfig) -> dict[str, str]:
    """Field of `Example` → the column that it is read from."""
    return {} if data.split.group is None else {"group": data.split.group}


def with_marks(read_example: ReadExample, marks: Mapping[str, str]) -> ReadExample:
    """A reader of rows whose last cells are those of the marks; raises `UserError` where one is missing."""
    if not marks:
        return read_example

    def read(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        n = len(cells) - len(marks)
        found = {field: _name_of(cell, column, place) for (field, column), cell in zip(marks.items(), cells[n:], strict=True)}
        return dataclasses.replace(read_example(name, cells[:n], place), **found)  # type: ignore[arg-type]

    return read


def refuse_columnless(path: Path, file_format: str, marks: Mapping[str, str]) -> None:
    """Raise `UserError` for a file whose format has no columns for the marks."""
    if marks and file_format in COLUMNLESS:
        raise UserError(
            "a file of this format has no column of groups",
            code="group.no-columns",
            path=path,
            found=f"{file_format}: {COLUMNLESS[file_format]}",
            expected=f"a column '{next(iter(marks.values()))}', as data.split.group says",
            hint="convert it to JSONL with that column, or remove data.split.group",
        )


def _name_of(cell: object, column: str, place: SourceLocation) -> str:
    """A cell that must be a name or a whole number."""
    try:
        return label_of(cell, column, place)
    except UserError as error:
        raise UserError(
            f"the cell in column '{column}' names no group",
            code="group.missing",
            path=place.path,
            line=place.line,
            found=error.found,
            expected="a name or a whole number in every row, as data.split.group says",
            hint="fill it in; an example that belongs to no group needs a name of its own",
        ) from None

"""Columns that say where an example belongs, beside those that the head reads: its group, its id, and its source."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data.cells import is_visible, label_of
from bertft_core.data.examples import Example, ReadExample, SourceLocation

SOURCE = "source_id"
"""Column of further training examples: the id of the example that each was made from."""
COLUMNLESS = {
    "conll": "its columns belong to words, not to sentences",
    "conllu": "its columns belong to words, not to sentences",
    "text": "it holds texts alone",
}
"""Format → why it can have no column of groups."""


class Mark(NamedTuple):
    """A field of `Example` and the column that it is read from, if the file has it or because it must have it."""

    field: str
    column: str
    required: bool = False


class Wanted(NamedTuple):
    """The columns to read: those of the head, then those of the marks, the required ones first."""

    of_head: tuple[str, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        return (*self.of_head, *(mark.column for mark in self.marks if mark.required))

    @property
    def optional(self) -> tuple[str, ...]:
        return tuple(mark.column for mark in self.marks if not mark.required)


def marks_of_study(data: DataConfig, *, with_ids: bool) -> tuple[Mark, ...]:
    """What is read of the study's own examples; their ids only where further examples refer to them."""
    group = () if data.split.group_column is None else (Mark("group", data.split.group_column, required=True),)
    return (*group, Mark("row_id", data.id or "id")) if with_ids else group


def marks_of_extra(data: DataConfig) -> tuple[Mark, ...]:
    """What is read of further training examples."""
    source = Mark("source_id", SOURCE)
    return (source,) if data.split.group_column is None else (source, Mark("group", data.split.group_column))


def with_marks(read_example: ReadExample, marks: Sequence[Mark]) -> ReadExample:
    """A reader of rows whose last cells are those of the marks; raises `UserError` where a required one is missing."""
    if not marks:
        return read_example

    def read(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        n = len(cells) - len(marks)
        found = {mark.field: _name_of(cell, mark, place) for mark, cell in zip(marks, cells[n:], strict=True)}
        return dataclasses.replace(read_example(name, cells[:n], place), **found)  # type: ignore[arg-type]

    return read


def refuse_columnless(path: Path, file_format: str, marks: Sequence[Mark]) -> None:
    """Raise `UserError` for a file whose format has no columns for a required mark."""
    required = next((mark for mark in marks if mark.required), None)
    if required is not None and file_format in COLUMNLESS:
        raise UserError(
            "a file of this format has no column of groups",
            code="group.no-columns",
            path=path,
            found=f"{file_format}: {COLUMNLESS[file_format]}",
            expected=f"a column '{required.column}', as data.split.group says",
            hint="convert it to JSONL with that column, or remove data.split.group",
        )


def _name_of(cell: object, mark: Mark, place: SourceLocation) -> str:
    """A cell that must be a name or a whole number, or may be empty."""
    if not mark.required and (cell is None or (isinstance(cell, str) and not is_visible(cell))):
        return ""
    try:
        return label_of(cell, mark.column, place)
    except UserError as error:
        raise UserError(
            f"the cell in column '{mark.column}' names no {'group' if mark.field == 'group' else 'example'}",
            code="data.no-name",
            path=place.path,
            line=place.line,
            found=error.found,
            expected="a name or a whole number" + (" in every row, as data.split.group says" if mark.required else ""),
            hint="fill it in; an example that belongs to no group needs a name of its own"
            if mark.required
            else "correct it or remove it",
        ) from None

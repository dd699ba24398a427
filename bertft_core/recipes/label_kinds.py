"""What the cells of a label column are: names, numbers or lists, and so which head learns them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError

MAX_NUMBERED_CLASSES = 20
"""More different whole numbers than this are rather a measure than classes."""
SEPARATORS = ("|", ";", ",")
MANY = "labels"
"""The name of a column whose cells may hold several labels."""
MAX_SHARE_OF_NAMES = 0.5
"""Where more of the cells than this differ from all others, they are texts and no labels."""


class Labels(NamedTuple):
    """What is learned of a column."""

    head: str
    data: dict[str, Any]
    told: tuple[str, ...]


def kind_of_labels(path: Path, cells: Sequence[Any], column: str, head: str | None) -> Labels:
    """The head for a column of labels, or the one that was asked for. Raises `UserError` for cells that are no labels."""
    separator = _separator(cells)
    if head == "multi_label" or (head is None and _are_lists(cells, column, separator)):
        return _several(cells, column, separator)
    if head == "regression":
        return Labels("regression", {}, ())
    if head is None and all(_is_number(cell) for cell in cells):
        return _numbers(cells, column)
    names = {str(cell) for cell in cells}
    if head is None and len(names) > MAX_SHARE_OF_NAMES * len(cells) and len(names) > MAX_NUMBERED_CLASSES:
        raise UserError(
            f"the cells of '{column}' do not look like labels",
            path=path,
            found=f"{len(names)} different values in {len(cells)} rows",
            expected="a few names that come again and again",
            hint="name another column: --label COLUMN, or say what it is: --head classification",
        )
    return Labels("classification", {}, (f"head classification: '{column}' has {len(names)} different labels",))


def _are_lists(cells: Sequence[Any], column: str, separator: str | None) -> bool:
    return any(isinstance(cell, list | tuple) for cell in cells) or (column == MANY and separator is not None)


def _several(cells: Sequence[Any], column: str, separator: str | None) -> Labels:
    if any(isinstance(cell, list | tuple) for cell in cells):
        return Labels("multi_label", {}, (f"head multi_label: the cells of '{column}' are lists",))
    if separator is None:
        return Labels("multi_label", {}, ())
    data = {} if separator == "," else {"label_separator": separator}
    return Labels("multi_label", data, (f"head multi_label: '{separator}' stands between the labels of '{column}'",))


def _separator(cells: Sequence[Any]) -> str | None:
    """What stands between labels that also occur alone or elsewhere; None where cells hold one name each."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    for separator in SEPARATORS:
        joined = [cell for cell in texts if separator in cell]
        parts = {part.strip() for cell in joined for part in cell.split(separator)}
        if joined and len(parts) < len(joined) + len(set(texts)) and parts & {cell.strip() for cell in texts}:
            return separator
    return None


def _numbers(cells: Sequence[Any], column: str) -> Labels:
    values = [float(cell) for cell in cells]
    written_whole = all(isinstance(cell, int) or (isinstance(cell, str) and "." not in cell) for cell in cells)
    n_different = len(set(values))
    if not written_whole:
        return Labels("regression", {}, (f"head regression: the cells of '{column}' are numbers with decimals",))
    if n_different > MAX_NUMBERED_CLASSES:
        why = f"head regression: '{column}' has {n_different} different whole numbers; --head classification makes them classes"
        return Labels("regression", {}, (why,))
    why = f"head classification: '{column}' has {n_different} different whole numbers; --head regression reads them as a measure"
    return Labels("classification", {}, (why,))


def _is_number(cell: Any) -> bool:
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        return False
    try:
        float(cell)
    except (ValueError, OverflowError):
        return False
    return "_" not in str(cell)

"""From the cells of a label column (names, numbers or lists) to the head that learns them."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError
from bertft_core.data.label_shapes import MAX_NUMBERED_CLASSES, SEPARATORS, are_a_measure, is_whole, number_of, separator_of
from bertft_core.recipes.reasons import Reason, because

MANY = "labels"
"""The name of a column whose cells may hold several labels."""
MAX_SHARE_OF_NAMES = 0.5
"""If a larger share of the cells are distinct, they are texts rather than labels."""


class LabelKind(NamedTuple):
    """How a label column is learned."""

    head: str
    data: dict[str, Any] = {}
    """Keys of the study's data section."""
    conclusions: tuple[Reason, ...] = ()


def kind_of_labels(
    path: Path, cells: Sequence[Any], column: str, head: str | None, given_separator: str | None = None
) -> LabelKind:
    """The head for a column of labels, or the one that was asked for. Raises `UserError` for cells that are not labels.

    A separator that the user gave says that the cells hold several labels, and is kept.
    """
    if given_separator is not None and head in (None, "multi_label"):
        return LabelKind("multi_label", {}, (because("separated", column=column, separator=given_separator),))
    texts = [cell for cell in cells if isinstance(cell, str)]
    separator = separator_of(texts) or _separator(texts)
    if head == "multi_label" or (head is None and (separator_of(texts) is not None or _are_lists(cells, column, separator))):
        return _several(cells, column, separator)
    if head == "regression":
        return LabelKind("regression")
    numbers = [number for cell in cells if (number := number_of(cell)) is not None]
    if head is None and len(numbers) == len(cells):
        return _numbers(numbers, column)
    names = {str(cell) for cell in cells}
    if head is None and len(names) > MAX_SHARE_OF_NAMES * len(cells) and len(names) > MAX_NUMBERED_CLASSES:
        raise UserError(
            f"the cells of '{column}' do not look like labels",
            code="recommend.not-labels",
            path=path,
            found=f"{len(names)} different values in {len(cells)} rows",
            expected="a few labels, each in many rows",
            hint="name another column with --label COLUMN, or confirm with --head classification",
        )
    return LabelKind("classification", {}, (because("names", column=column, n=len(names)),))


def _are_lists(cells: Sequence[Any], column: str, separator: str | None) -> bool:
    several = column.casefold() == MANY and separator is not None
    return several or any(isinstance(cell, list | tuple) for cell in cells)


def _several(cells: Sequence[Any], column: str, separator: str | None) -> LabelKind:
    if any(isinstance(cell, list | tuple) for cell in cells):
        return LabelKind("multi_label", {}, (because("lists", column=column),))
    if separator is None:
        return LabelKind("multi_label")
    data = {} if separator == "," else {"label_separator": separator}
    return LabelKind("multi_label", data, (because("separated", column=column, separator=separator),))


def _separator(texts: Sequence[str]) -> str | None:
    """The separator of labels that also occur alone or elsewhere; None where each cell is one label."""
    for separator in SEPARATORS:
        joined = [cell for cell in texts if separator in cell]
        parts = {part.strip() for cell in joined for part in cell.split(separator)}
        if joined and len(parts) < len(joined) + len(set(texts)) and parts & {cell.strip() for cell in texts}:
            return separator
    return None


def _numbers(numbers: Sequence[Decimal], column: str) -> LabelKind:
    n_different = len(set(numbers))
    if not all(map(is_whole, numbers)):
        return LabelKind("regression", {}, (because("decimals", column=column),))
    head = "regression" if are_a_measure(numbers) else "classification"
    return LabelKind(head, {}, (because(f"whole_numbers_{head}", column=column, n=n_different),))

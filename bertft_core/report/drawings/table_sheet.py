"""Axes that are a table of cells, each one unit of data wide and high, with the names of rows and columns around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bertft_core.report.drawings.look import Look
from bertft_core.report.drawings.sheet import Margins, Sheet, new_sheet
from bertft_core.report.formatting.numbers import shortened

LEFT, NARROW_LEFT, TOP, RIGHT, BOTTOM = 170, 140, 56, 20, 16
WIDEST, ROOM = 150, 640
LONGEST_NAME, NARROW_NAME = 20, 14
LETTER = 8


class CellTable(NamedTuple):
    """The size of a cell in units."""

    height: int
    narrowest: int


def table_sheet(look: Look, table: CellTable, rows: Sequence[str], columns: Sequence[str], alt: str) -> Sheet:
    """As wide as its cells, which are as wide as there is room."""
    left, room = (NARROW_LEFT, look.width - NARROW_LEFT - RIGHT) if look.narrow else (LEFT, ROOM)
    cell = max(table.narrowest, min(WIDEST, room // max(1, len(columns))))
    size = left + cell * len(columns) + RIGHT, TOP + table.height * len(rows) + BOTTOM
    sheet = new_sheet(look, size, Margins(left, TOP, RIGHT, BOTTOM), alt)
    sheet.axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    longest = NARROW_NAME if look.narrow else LONGEST_NAME
    sheet.name_rows([i + 0.5 for i in range(len(rows))], [shortened(row, longest) for row in rows])
    up = sheet.axes.get_xaxis_transform()
    for j, column in enumerate(columns):
        sheet.words((j + 0.5, 1), shortened(column, min(longest, cell // LETTER)), "name", "center", aside=(0, 12), of=up)
    return sheet

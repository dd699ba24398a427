"""The names of lines or groups below a narrow picture, each behind a sample of its mark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import Look
from bertft_core.report.drawings.sheet import Sheet
from bertft_core.report.formatting.numbers import shortened

if TYPE_CHECKING:
    from matplotlib.transforms import Transform

SAMPLE, GAP, LETTER, ROW, EDGE = 22.0, 34.0, 7.4, 18.0, 12.0
LONGEST_NAME = 26

Draw = Callable[[int, Sequence[float], Sequence[float], "Transform"], None]
"""Draws the sample with a number at two places."""


def rows_below(names: Sequence[str], look: Look) -> float:
    """How much lower the picture becomes."""
    return ROW * len(_rows(names, look.width))


def name_below(sheet: Sheet, names: Sequence[str], below: float, draw: Draw) -> None:
    """Begin `below` the axes, in units."""
    of, left = sheet.axes.transAxes, sheet.axes.get_position().x0 * sheet.look.width
    for i, row in enumerate(_rows(names, sheet.look.width)):
        y, x = -(below + ROW * i) / sheet.height, EDGE - left
        for position in row:
            name = shortened(names[position], LONGEST_NAME)
            draw(position, (x / sheet.width, (x + SAMPLE) / sheet.width), (y, y), of)
            sheet.words((x / sheet.width, y), name, "name", aside=(SAMPLE + 6, -4), of="axes fraction")
            x += _width(name)


def _width(name: str) -> float:
    return SAMPLE + GAP / 2 + LETTER * len(name)


def _rows(names: Sequence[str], width: float) -> list[list[int]]:
    rows: list[list[int]] = []
    used = 0.0
    for i, name in enumerate(names):
        wanted = _width(shortened(name, LONGEST_NAME))
        if not rows or used + wanted > width - 2 * EDGE:
            rows.append([])
            used = 0.0
        rows[-1].append(i)
        used += wanted
    return rows

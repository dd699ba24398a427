"""Forest plot: differences between arms with their intervals, one row for each pair, and zero marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.ranges import padded
from bertft_core.report.drawings.sheet import Margins, Sheet, drawing, new_sheet
from bertft_core.report.formatting.numbers import shortened, signed

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

TOP, BESIDE, BOTTOM = 34, 230, 44
LEAST_LEFT, MOST_LEFT, LETTER = 130, 330, 8.6
"""Room for the names grows with the longest one; units of a bold letter."""
ROW, THIN = 34, 17
NARROW_LEFT, NARROW_RIGHT, NAME_LINE = 100, 12, 22
"""Where there is no room beside them, names and numbers have a line above each row."""


@dataclass(frozen=True)
class ForestRow:
    """One difference; `thin` are further intervals of it, (name, low, high), drawn below the first."""

    name: str
    value: float
    low: float | None
    high: float | None
    sure: bool
    """Claimed: drawn filled; hollow otherwise."""
    css: str = ""
    thin: Sequence[tuple[str, float, float]] = ()
    note: str = ""
    """Beside the numbers, such as a p-value."""


@drawing
def forest_plot(rows: Sequence[ForestRow], label: str, better: str, *, look: Look = PAGE) -> StudyFigure:
    """`label` names the difference and its unit; `better` says which side of zero is which."""
    ends = [v for r in rows for v in (r.value, r.low, r.high, *(e for t in r.thin for e in t[1:])) if v is not None]
    above = NAME_LINE if look.narrow else 0
    left = NARROW_LEFT if look.narrow else min(MOST_LEFT, max(LEAST_LEFT, 24 + LETTER * max(len(row.name) for row in rows)))
    heights = [ROW + above + THIN * len(row.thin) for row in rows]
    bottom = sum(heights) + 6
    alt = f"{label}; {better}. " + " ".join(_spoken(row) for row in rows)
    margins = Margins(left, TOP, NARROW_RIGHT if look.narrow else BESIDE, BOTTOM)
    sheet = new_sheet(look, (look.width, TOP + bottom + BOTTOM), margins, alt)
    sheet.axes.set(xlim=padded([0.0, *ends]), ylim=(bottom, 0))
    sheet.number_x(label, 4 if look.narrow else 6)
    up = sheet.axes.get_xaxis_transform()
    sheet.line((0, 0), (0, 1 + 6 / sheet.height), "ink", 1.3, "zero", zorder=1.4, of=up)
    _say_better(sheet, better)
    places = [sum(heights[:i]) + above + ROW / 2 + 2 for i in range(len(rows))]
    if not look.narrow:
        names = [shortened(row.name, int((left - 20) / LETTER)) for row in rows]
        sheet.name_rows(places, names, [row.sure for row in rows])
    for row, y in zip(rows, places, strict=True):
        _interval(sheet, row, y)
        _beside(sheet, row, y)
        _thin(sheet, row, y)
    return sheet.figure


def _say_better(sheet: Sheet, better: str) -> None:
    """Above zero; above the middle where it would not fit."""
    if sheet.look.narrow:
        sheet.words((0.5, 1), better, "tick", "center", aside=(0, 12), of="axes fraction")
    else:
        sheet.words((0, 1), better, "tick", "center", aside=(0, 12), of=sheet.axes.get_xaxis_transform())


def _ends(row: ForestRow) -> str:
    return "" if row.low is None or row.high is None else f" ({signed(row.low)} to {signed(row.high)})"


def _spoken(row: ForestRow) -> str:
    return f"{row.name}: {signed(row.value)}{_ends(row)}{', claimed' if row.sure else ''}."


def _interval(sheet: Sheet, row: ForestRow, y: float) -> None:
    css = row.css or "ink"
    if row.low is not None and row.high is not None:
        name, opacity = ("sure", 1.0) if row.sure else ("interval", 0.45)
        sheet.line((row.low, row.high), (y, y), css, 4, f"{name} {css}", opacity=opacity, round_ends=True)
    sheet.dots([row.value], [y], css, [_spoken(row)], radius=6.0, hollow=not row.sure)


def _beside(sheet: Sheet, row: ForestRow, y: float) -> None:
    """The numbers right of the row, or with the name above it."""
    across, value = sheet.axes.get_yaxis_transform(), f"{signed(row.value)}{_ends(row)}"
    if sheet.look.narrow:
        lift = (ROW + NAME_LINE) / 2 - 8
        name = shortened(row.name, 24)
        sheet.words((0, y), name, "name", aside=(12 - NARROW_LEFT, lift), of=across, bold=row.sure)
        words = sheet.words((1, y), value, "name", "right", aside=(0, lift), of=across, bold=row.sure)
        sheet.clear_behind(words)  # zero may be there
        return
    sheet.words((1, y), value, "name", aside=(14, -4), of=across, bold=row.sure)
    if row.note:
        sheet.words((1, y), row.note, "tick", aside=(14, -19), of=across)


def _thin(sheet: Sheet, row: ForestRow, y: float) -> None:
    css, across = row.css or "ink", sheet.axes.get_yaxis_transform()
    for i, (name, low, high) in enumerate(row.thin):
        at = y + ROW / 2 + THIN * (i + 0.35)
        sheet.words((0, at), name, "tick", "right", aside=(-14, -4), of=across)
        sheet.line((low, high), (at, at), css, 1.6, f"fine {css}")
        for end in (low, high):
            sheet.line((end, end), (at - 3, at + 3), css, 1.6, f"fine {css}")

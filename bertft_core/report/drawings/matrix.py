"""A square of probabilities: how often a run of the arm in the row is better than one of the arm in the column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.sheet import Sheet, drawing
from bertft_core.report.drawings.table_sheet import CellTable, table_sheet

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

TABLE = CellTable(height=52, narrowest=84)


@dataclass(frozen=True)
class Chance:
    """A probability with its interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None

    def turned(self) -> Chance:
        """Of the other side being better."""
        low, high = (None if end is None else 1 - end for end in (self.high, self.low))
        return Chance(1 - self.value, low, high)


@drawing
def matrix_plot(arms: Sequence[str], chances: Mapping[tuple[str, str], Chance], label: str, *, look: Look = PAGE) -> StudyFigure:
    """`chances` (row, column) → P(row better than column); a pair that is given one way round is filled in the other way."""
    both = {(b, a): chance.turned() for (a, b), chance in chances.items()} | dict(chances)
    spoken = " ".join(f"{a} over {b}: {chance.value:.2f}." for (a, b), chance in chances.items())
    sheet = table_sheet(look, TABLE, arms, arms, f"{label}. {spoken}")
    for i, words in enumerate(("column", "row better than") if look.narrow else ("row better than column",)):
        sheet.words((0, 1), words, "tick", "right", aside=(-12, 12 + 15 * i), of="axes fraction")
    for i, arm in enumerate(arms):
        for j, other in enumerate(arms):
            _cell(sheet, (j, i), (arm, other), both.get((arm, other)))
    return sheet.figure


def _cell(sheet: Sheet, at: tuple[int, int], pair: tuple[str, str], chance: Chance | None) -> None:
    """Shaded by its distance from one half; the number is printed too, so that it can be read without colour."""
    x, y = at
    corner = (x + 1, y + 1)
    if chance is None:
        sheet.box(at, corner, "panel", "cell none", f"{pair[0]} against {pair[1]}: nothing", opacity=1.0, edge=2.0)
        return
    colour, css = ("shade", "cell") if chance.value >= 0.5 else ("against", "cell against")
    ends = "" if chance.low is None or chance.high is None else f"{chance.low:.2f} to {chance.high:.2f}"
    title = f"{pair[0]} better than {pair[1]}: {chance.value:.2f} {ends}".strip()
    sheet.box(at, corner, colour, css, title, opacity=abs(chance.value - 0.5), edge=2.0)
    middle = (x + 0.5, y + 0.5)
    sheet.words(middle, f"{chance.value:.2f}", "on", "center", aside=(0, 3 if ends else -5))
    if ends:
        sheet.words(middle, ends, "tick", "center", aside=(0, -14))

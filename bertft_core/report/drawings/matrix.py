"""A square of probabilities: how often a run of the arm in the row is better than one of the arm in the column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting.numbers import shortened
from bertft_core.report.svg import Drawing

LEFT, TOP, CELL_HEIGHT = 170, 56, 52
WIDEST, NARROWEST = 150, 84
LONGEST_NAME = 20


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


def matrix_plot(arms: Sequence[str], chances: Mapping[tuple[str, str], Chance], label: str) -> Markup:
    """`chances` (row, column) → P(row better than column); a pair that is given one way round is filled in the other way."""
    cell = max(NARROWEST, min(WIDEST, 640 // max(1, len(arms))))
    both = {(b, a): chance.turned() for (a, b), chance in chances.items()} | dict(chances)
    spoken = " ".join(f"{a} over {b}: {chance.value:.2f}." for (a, b), chance in chances.items())
    drawing = Drawing(LEFT + cell * len(arms) + 20, TOP + CELL_HEIGHT * len(arms) + 16, f"{label}. {spoken}")
    drawing.text((LEFT - 12, TOP - 12), "row better than column", "tick end")
    longest = min(LONGEST_NAME, cell // 8)
    for i, arm in enumerate(arms):
        drawing.text((LEFT + cell * (i + 0.5), TOP - 12), shortened(arm, longest), "name middle")
        drawing.text((LEFT - 12, TOP + CELL_HEIGHT * (i + 0.5) + 5), shortened(arm, LONGEST_NAME), "arm end")
        for j, other in enumerate(arms):
            _cell(drawing, (LEFT + cell * j, TOP + CELL_HEIGHT * i), cell, (arm, other), both.get((arm, other)))
    return drawing.svg()


def _cell(drawing: Drawing, at: tuple[float, float], width: int, pair: tuple[str, str], chance: Chance | None) -> None:
    """Shaded by its distance from one half; the number is printed too, so that it can be read without colour."""
    x, y = at
    corner = (x + width, y + CELL_HEIGHT)
    if chance is None:
        drawing.box(at, corner, "cell none", f"{pair[0]} against {pair[1]}: nothing")
        return
    side = "cell" if chance.value >= 0.5 else "cell against"
    ends = "" if chance.low is None or chance.high is None else f"{chance.low:.2f} to {chance.high:.2f}"
    drawing.box(at, corner, side, f"{pair[0]} better than {pair[1]}: {chance.value:.2f} {ends}".strip(), abs(chance.value - 0.5))
    drawing.text((x + width / 2, y + (23 if ends else 31)), f"{chance.value:.2f}", "on middle bold")
    if ends:
        drawing.text((x + width / 2, y + 40), ends, "tick middle")

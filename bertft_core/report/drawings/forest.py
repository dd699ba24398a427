"""Forest plot: differences between arms with their intervals, one row for each pair, and zero marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting.numbers import shortened, signed
from bertft_core.report.svg import Drawing, Scale, horizontal_axis, padded

WIDTH, RIGHT, TOP = 860, 640, 34
LEAST_LEFT, MOST_LEFT, LETTER = 130, 330, 8.6
"""Room for the names grows with the longest one; pixels of a bold letter."""
ROW, THIN = 34, 17


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


def forest_plot(rows: Sequence[ForestRow], label: str, better: str) -> Markup:
    """`label` names the difference and its unit; `better` says which side of zero is which."""
    ends = [v for r in rows for v in (r.value, r.low, r.high, *(e for t in r.thin for e in t[1:])) if v is not None]
    left = min(MOST_LEFT, max(LEAST_LEFT, 24 + LETTER * max(len(row.name) for row in rows)))
    x = Scale(*padded([0.0, *ends]), left, RIGHT)
    bottom = TOP + sum(_height(row) for row in rows) + 6
    drawing = Drawing(WIDTH, bottom + 44, f"{label}; {better}. " + " ".join(_spoken(row) for row in rows))
    horizontal_axis(drawing, x, bottom, label, TOP)
    drawing.line((x(0), TOP - 6), (x(0), bottom), "zero")
    drawing.text((x(0), TOP - 12), better, "tick middle")
    y = float(TOP)
    for row in rows:
        _row(drawing, row, x, y + ROW / 2 + 2)
        y += _height(row)
    return drawing.svg()


def _height(row: ForestRow) -> int:
    return ROW + THIN * len(row.thin)


def _spoken(row: ForestRow) -> str:
    ends = "" if row.low is None or row.high is None else f" ({signed(row.low)} to {signed(row.high)})"
    return f"{row.name}: {signed(row.value)}{ends}{', claimed' if row.sure else ''}."


def _row(drawing: Drawing, row: ForestRow, x: Scale, y: float) -> None:
    drawing.text(
        (x.start - 14, y + 5), shortened(row.name, int((x.start - 20) / LETTER)), f"arm end{' bold' if row.sure else ''}"
    )
    title = _spoken(row)
    if row.low is not None and row.high is not None:
        drawing.line((x(row.low), y), (x(row.high), y), f"{'sure' if row.sure else 'interval'} {row.css}".strip())
    drawing.dot((x(row.value), y), 6, f"{'seed' if row.sure else 'hollow'} {row.css}".strip(), title)
    ends = "" if row.low is None or row.high is None else f" ({signed(row.low)} to {signed(row.high)})"
    drawing.text((RIGHT + 14, y + 4), f"{signed(row.value)}{ends}", f"name{' bold' if row.sure else ''}")
    if row.note:
        drawing.text((RIGHT + 14, y + 19), row.note, "tick")
    for i, (name, low, high) in enumerate(row.thin):
        at = y + ROW / 2 + THIN * (i + 0.35)
        drawing.text((x.start - 14, at + 4), name, "tick end")
        drawing.line((x(low), at), (x(high), at), f"fine {row.css}".strip())
        for end in (low, high):
            drawing.line((x(end), at - 3), (x(end), at + 3), f"fine {row.css}".strip())

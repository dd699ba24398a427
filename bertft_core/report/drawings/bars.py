"""Bars with intervals, in groups: how much each source of variance brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.sheet import Margins, Sheet, drawing, new_sheet
from bertft_core.report.formatting.numbers import shortened

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

LEFT, TOP, BESIDE, BOTTOM = 210, 20, 220, 44
NARROW_LEFT, NARROW_RIGHT, NAME_LINE = 16, 16, 14
ROW, GAP = 30, 34
LONGEST_NAME, LONGEST_GROUP = 28, 22


@dataclass(frozen=True)
class Bar:
    """One bar from zero, with `note` beside it."""

    name: str
    value: float
    low: float | None
    high: float | None
    note: str


@dataclass(frozen=True)
class BarGroup:
    """The bars of one arm."""

    name: str
    css: str
    bars: Sequence[Bar]


@drawing
def bar_plot(groups: Sequence[BarGroup], label: str, *, most: float = 4.0, look: Look = PAGE) -> StudyFigure:
    """`label` names the values and their unit. Intervals are cut at `most` times the longest bar, with an arrow."""
    longest = max((bar.value for group in groups for bar in group.bars), default=0.0) or 1.0
    ends = [bar.high for group in groups for bar in group.bars if bar.high is not None]
    row = ROW + (NAME_LINE if look.narrow else 0)
    bottom = sum(GAP + row * len(group.bars) for group in groups)
    spoken = " ".join(f"{g.name}, {b.name}: {b.value:.4g}, {b.note}." for g in groups for b in g.bars)
    margins = Margins(NARROW_LEFT, TOP, NARROW_RIGHT, BOTTOM) if look.narrow else Margins(LEFT, TOP, BESIDE, BOTTOM)
    sheet = new_sheet(look, (look.width, TOP + bottom + BOTTOM), margins, f"{label}. {spoken}")
    sheet.axes.set(xlim=(0.0, min(max([longest, *ends]), most * longest) * 1.04), ylim=(bottom, 0))
    sheet.number_x(label, 4 if look.narrow else 6)
    y = 0.0
    for group in groups:
        _say(sheet, y + 17, shortened(group.name, LONGEST_GROUP), "arm", bold=True)
        for i, bar in enumerate(group.bars):
            _bar(sheet, bar, group.css, y + GAP + row * (i + 1) - ROW / 2 - 2)
        y += GAP + row * len(group.bars)
    sheet.line((0, 0), (0, bottom), "ink", 1.3, "zero")
    return sheet.figure


def _say(sheet: Sheet, y: float, words: str, kind: str, *, bold: bool = False) -> None:
    """Left of the axes, or above what is named."""
    across = sheet.axes.get_yaxis_transform()
    if sheet.look.narrow:
        sheet.words((0, y), words, kind, aside=(6, -5 if bold else 13), of=across, bold=bold)
    else:
        sheet.words((0, y), words, kind, "right", aside=(-14, -5), of=across, bold=bold)


def _bar(sheet: Sheet, bar: Bar, css: str, y: float) -> None:
    _say(sheet, y, shortened(bar.name, LONGEST_NAME), "name")
    sheet.box((0, y - 9), (bar.value, y + 9), css, f"bar {css}", f"{bar.name}: {bar.value:.4g}, {bar.note}", opacity=0.65)
    if bar.low is not None and bar.high is not None:
        _whisker(sheet, bar.low, bar.high, y)
    across = sheet.axes.get_yaxis_transform()
    if sheet.look.narrow:
        sheet.words((1, y), bar.note, "name", "right", aside=(0, 13), of=across)
    else:
        sheet.words((1, y), bar.note, "name", aside=(14, -5), of=across)


def _whisker(sheet: Sheet, low: float, high: float, y: float) -> None:
    """Cut with an arrow where it would leave the axes."""
    _, edge = sheet.axes.get_xlim()
    cut, tip = min(high, edge), 7 * edge / sheet.width
    sheet.line((min(low, edge), cut), (y, y), "ink", 1.4, "whisker")
    sheet.line((low, low), (y - 5, y + 5), "ink", 1.4, "whisker")
    if high > cut:
        sheet.line((cut - tip, cut, cut - tip), (y - 5, y, y + 5), "ink", 1.4, "whisker", "ends further out")
    else:
        sheet.line((cut, cut), (y - 5, y + 5), "ink", 1.4, "whisker")

"""Bars with intervals, in groups: how much each source of variance brings."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting.numbers import shortened
from bertft_core.report.svg import Drawing, Scale, horizontal_axis

WIDTH, LEFT, RIGHT, TOP = 860, 210, 640, 20
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


def bar_plot(groups: Sequence[BarGroup], label: str, *, most: float = 4.0) -> Markup:
    """`label` names the values and their unit. Intervals are cut at `most` times the longest bar, with an arrow."""
    longest = max((bar.value for group in groups for bar in group.bars), default=0.0) or 1.0
    ends = [bar.high for group in groups for bar in group.bars if bar.high is not None]
    x = Scale(0.0, min(max([longest, *ends]), most * longest) * 1.04, LEFT, RIGHT)
    bottom = TOP + sum(GAP + ROW * len(group.bars) for group in groups)
    spoken = " ".join(f"{g.name}, {b.name}: {b.value:.4g}, {b.note}." for g in groups for b in g.bars)
    drawing = Drawing(WIDTH, bottom + 44, f"{label}. {spoken}")
    horizontal_axis(drawing, x, bottom, label, TOP)
    y = float(TOP)
    for group in groups:
        drawing.text((LEFT - 14, y + 22), shortened(group.name, LONGEST_GROUP), "arm end bold")
        for i, bar in enumerate(group.bars):
            _bar(drawing, bar, group.css, x, y + GAP + ROW * (i + 0.5) - 2)
        y += GAP + ROW * len(group.bars)
    drawing.line((x(0), TOP), (x(0), bottom), "zero")
    return drawing.svg()


def _bar(drawing: Drawing, bar: Bar, css: str, x: Scale, y: float) -> None:
    drawing.text((LEFT - 14, y + 5), shortened(bar.name, LONGEST_NAME), "name end")
    drawing.box((x(0), y - 9), (x(bar.value), y + 9), f"bar {css}", f"{bar.name}: {bar.value:.4g}, {bar.note}")
    if bar.low is not None and bar.high is not None:
        high = min(bar.high, x.high)
        drawing.line((x(min(bar.low, x.high)), y), (x(high), y), "whisker")
        drawing.line((x(bar.low), y - 5), (x(bar.low), y + 5), "whisker")
        if bar.high > high:
            drawing.path([(x(high) - 7, y - 5), (x(high), y), (x(high) - 7, y + 5)], "whisker", "ends further out")
        else:
            drawing.line((x(high), y - 5), (x(high), y + 5), "whisker")
    drawing.text((RIGHT + 14, y + 5), bar.note, "name")

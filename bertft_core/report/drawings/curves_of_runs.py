"""The curve of every run of an arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.ranges import Point, all_whole
from bertft_core.report.drawings.sheet import Margins, drawing, new_sheet
from bertft_core.report.prose import picture_text

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

SIZE, MARGINS = (420, 250), Margins(48, 28, 10, 45)


@dataclass(frozen=True)
class Curve:
    """One run's line."""

    title: str
    points: Sequence[Point]
    troubled: bool


@drawing
def curve_plot(
    arm: str,
    css: str,
    curves: Sequence[Curve],
    labels: tuple[str, str],
    ranges: tuple[Point, Point],
    *,
    look: Look = PAGE,
) -> StudyFigure:
    """All runs of one arm; `labels` and `ranges` of x and y are shared by all arms, so that panels can be compared."""
    (x_label, y_label), (x_range, y_range) = labels, ranges
    alt = picture_text.said("curves", y=y_label, x=x_label, n=len(curves), arm=arm)
    sheet = new_sheet(look, (min(SIZE[0], look.width), SIZE[1]), MARGINS, alt)
    sheet.axes.set(xlim=x_range, ylim=y_range)
    sheet.number_y(y_label)
    sheet.number_x(x_label, 5, whole=all_whole(a for curve in curves for a, _ in curve.points))
    for troubled in (False, True):
        chosen = [curve for curve in curves if curve.troubled == troubled]
        if chosen:
            css_of = f"curve {css}{' troubled' if troubled else ''}"
            dash = (0, (5, 4)) if troubled else "solid"
            sheet.lines([curve.points for curve in chosen], css, 1.5, css_of, [c.title for c in chosen], dash=dash)
    ends = [curve.points[-1] for curve in curves]
    sheet.dots([x for x, _ in ends], [y for _, y in ends], css, [curve.title for curve in curves], radius=2.5)
    return sheet.figure

"""Reliability diagram: how often answers are right against how sure they are, a line for each seed and their mean."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bertft_core.report.svg import Drawing, Point, Scale, horizontal_axis, vertical_axis

SIZE = 420
LEFT, RIGHT, TOP, BOTTOM = 52, 405, 34, 360


def reliability_plot(arm: str, css: str, seeds: Sequence[tuple[str, Sequence[Point]]], mean: Sequence[Point]) -> Markup:
    """`seeds` (title, points) and `mean`: (mean confidence, share right) of each bin that has examples, both 0 to 1.

    On the diagonal the answers are as often right as they say; below it they are too sure.
    """
    drawing = Drawing(SIZE, SIZE, f"Reliability of {arm}: share right over confidence, {len(seeds)} seeds. " + _spoken(mean))
    x, y = Scale(0.0, 1.0, LEFT, RIGHT), Scale(0.0, 1.0, BOTTOM, TOP)
    vertical_axis(drawing, y, LEFT, "share of answers that are right", RIGHT)
    horizontal_axis(drawing, x, BOTTOM, "confidence of the answer", TOP, n_ticks=5)
    drawing.line((x(0), y(0)), (x(1), y(1)), "majority")
    for title, points in seeds:
        drawing.path([(x(a), y(b)) for a, b in points], f"curve faint {css}", title)
    if mean:
        drawing.path([(x(a), y(b)) for a, b in mean], f"curve thick {css}", f"{arm}, all seeds together")
    for a, b in mean:
        drawing.dot((x(a), y(b)), 4.0, f"seed {css}", f"confidence {a:.2f}: {b:.2f} right")
    return drawing.svg()


def _spoken(mean: Sequence[Point]) -> str:
    return " ".join(f"{b:.2f} right at {a:.2f}." for a, b in mean)

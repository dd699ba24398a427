"""Reliability diagram: share of correct predictions by confidence, a line for each seed and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertft_core.evaluation.calibration import ReliabilityPoint
from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.sheet import Margins, drawing, new_sheet
from bertft_core.report.prose import grammar, picture_text

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

SIDE, MARGINS = 420, Margins(52, 34, 15, 60)
Points = Sequence[ReliabilityPoint]


@drawing
def reliability_plot(
    arm: str, css: str, seeds: Sequence[tuple[str, Points]], together: Points, *, look: Look = PAGE
) -> StudyFigure:
    """`seeds` (title, points), and the points of all seeds together, whose dots grow with the examples in them.

    On the diagonal predictions are right as often as their confidence says; below it they are overconfident.
    """
    spoken = " ".join(picture_text.said("reliability point", right=p.right, confidence=p.confidence) for p in together)
    n_seeds = grammar.several(len(seeds), "seed")
    side = min(SIDE, look.width)
    sheet = new_sheet(look, (side, side), MARGINS, picture_text.said("reliability", arm=arm, seeds=n_seeds, points=spoken))
    sheet.axes.set(xlim=(0, 1), ylim=(0, 1))
    sheet.number_y("share of correct predictions")
    sheet.number_x("confidence", 5)
    sheet.line((0, 1), (0, 1), "soft", 1.2, "majority", dash=(0, (4, 4)))
    for title, points in seeds:
        sheet.line(*_places(points), css, 1.2, f"curve faint {css}", title, opacity=0.35)
    if together:
        sheet.line(*_places(together), css, 2.2, f"curve {css}", f"{arm}, all seeds together")
        titles = [picture_text.said("bin", confidence=p.confidence, right=p.right, percent=100 * p.weight) for p in together]
        sheet.dots(*_places(together), css, titles, radius=[2.5 + 7 * math.sqrt(p.weight) for p in together])
    return sheet.figure


def _places(points: Points) -> tuple[list[float], list[float]]:
    return [p.confidence for p in points], [p.right for p in points]

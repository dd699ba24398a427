"""Reliability diagram: share of correct predictions by confidence, a line for each seed and their mean."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from bertft_core.evaluation.calibration import ReliabilityPoint
from bertft_core.report.prose import grammar, picture_text
from bertft_core.report.svg import Drawing, Scale, horizontal_axis, vertical_axis

SIZE = 420
LEFT, RIGHT, TOP, BOTTOM = 52, 405, 34, 360


Points = Sequence[ReliabilityPoint]


def reliability_plot(arm: str, css: str, seeds: Sequence[tuple[str, Points]], together: Points) -> Markup:
    """`seeds` (title, points), and the points of all seeds together, whose dots grow with the examples in them.

    On the diagonal predictions are right as often as their confidence says; below it they are overconfident.
    """
    spoken = " ".join(picture_text.said("reliability point", right=p.right, confidence=p.confidence) for p in together)
    n_seeds = grammar.several(len(seeds), "seed")
    drawing = Drawing(SIZE, SIZE, picture_text.said("reliability", arm=arm, seeds=n_seeds, points=spoken))
    x, y = Scale(0.0, 1.0, LEFT, RIGHT), Scale(0.0, 1.0, BOTTOM, TOP)
    vertical_axis(drawing, y, LEFT, "share of correct predictions", RIGHT)
    horizontal_axis(drawing, x, BOTTOM, "confidence", TOP, n_ticks=5)
    drawing.line((x(0), y(0)), (x(1), y(1)), "majority")
    for title, points in seeds:
        drawing.path([(x(p.confidence), y(p.right)) for p in points], f"curve faint {css}", title)
    if together:
        drawing.path([(x(p.confidence), y(p.right)) for p in together], f"curve thick {css}", f"{arm}, all seeds together")
    for p in together:
        title = picture_text.said("bin", confidence=p.confidence, right=p.right, percent=100 * p.weight)
        drawing.dot((x(p.confidence), y(p.right)), 2.5 + 7 * math.sqrt(p.weight), f"seed {css}", title)
    return drawing.svg()

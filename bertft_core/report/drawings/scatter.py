"""Points of several groups over one pair of axes, and a cross of means for each: what a score costs is drawn with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting.numbers import shortened
from bertft_core.report.svg import Drawing, Point, Scale, horizontal_axis, padded, vertical_axis

WIDTH, HEIGHT = 860, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 690, 34, 260
LONGEST_NAME, NAME_HEIGHT = 18, 18
LOGARITHMIC = 4.0
"""Values of x that differ by more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Group:
    """The points of one arm; x above 0."""

    name: str
    css: str
    points: Sequence[Point]
    titles: Sequence[str]
    """What each point shows under the mouse."""
    spoken: str
    """What is read aloud of the group."""

    @property
    def center(self) -> Point:
        """Mean of x and mean of y."""
        return tuple(sum(values) / len(values) for values in zip(*self.points, strict=True))  # type: ignore[return-value]


def scatter_plot(groups: Sequence[Group], labels: tuple[str, str], *, centers: bool = True) -> Markup:
    """`labels` of x and y with their units; groups without points are left out. `centers` draws the crosses."""
    drawn = [group for group in groups if group.points]
    across = [p[0] for group in drawn for p in group.points]
    logarithmic = centers and min(across) > 0 and max(across) > LOGARITHMIC * min(across)
    place = math.log10 if logarithmic else float
    x = Scale(*padded(map(place, across)), LEFT, RIGHT)
    y = Scale(*padded(p[1] for group in drawn for p in group.points), BOTTOM, TOP)
    height = max(HEIGHT, TOP + NAME_HEIGHT * len(drawn) + 20)
    drawing = Drawing(WIDTH, height, f"{labels[1]} over {labels[0]}. " + " ".join(group.spoken for group in drawn))
    vertical_axis(drawing, y, LEFT, labels[1], RIGHT)
    horizontal_axis(drawing, x, BOTTOM, labels[0], TOP, logarithmic=logarithmic)
    for i, group in enumerate(drawn):
        for point, title in zip(group.points, group.titles, strict=True):
            drawing.dot((x(place(point[0])), y(point[1])), 4.0, f"seed {group.css}", title)
        if centers:
            middle = x(place(group.center[0])), y(group.center[1])
            drawing.line((middle[0] - 9, middle[1]), (middle[0] + 9, middle[1]), f"mean {group.css}")
            drawing.line((middle[0], middle[1] - 9), (middle[0], middle[1] + 9), f"mean {group.css}")
        at = TOP + NAME_HEIGHT * i + 6
        drawing.dot((RIGHT + 20, at), 5.0, f"seed {group.css}", group.name)
        drawing.text((RIGHT + 32, at + 4), shortened(group.name, LONGEST_NAME), "name")
    return drawing.svg()

"""Lines with bands over one pair of axes, each named where it ends: what profiles, learning curves and budgets are drawn with."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting.numbers import shortened
from bertft_core.report.svg import Drawing, Point, Scale, all_whole, horizontal_axis, number, padded, vertical_axis

N_COLOURS, N_DASHES = 8, 4
WIDTH, HEIGHT = 860, 340
LEFT, RIGHT, TOP, BOTTOM = 60, 690, 34, 280
LONGEST_NAME = 18
APART = 16.0
"""Pixels between the names of two lines."""


@dataclass(frozen=True)
class Line:
    """One line; a band where `low` and `high` are given, each as long as `points`."""

    name: str
    css: str
    points: Sequence[Point]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    title: str = ""
    """Shows under the mouse and is read aloud."""
    marks: bool = False
    """A dot at every point."""


@dataclass(frozen=True)
class Reference:
    """A dashed line across the picture, at one value of x or y, with its name."""

    axis: str
    """x or y."""
    at: float
    name: str


def line_css(position: int) -> str:
    """Style class of a line by its place: a colour and a dash, so that lines can be distinguished in black and white."""
    return f"c{position % N_COLOURS} d{position % N_DASHES}"


def line_plot(
    lines: Sequence[Line],
    labels: tuple[str, str],
    *,
    references: Sequence[Reference] = (),
    x_range: Point | None = None,
    y_range: Point | None = None,
    below: Sequence[tuple[float, str]] = (),
) -> Markup:
    """`labels` of x and y with their units; ranges cover all lines, bands and references unless given.

    `below` is a second row of numbers under the x axis: (x, words), such as a cost.
    """
    x, y = _scales(lines, references, x_range, y_range)
    spoken = " ".join(line.title for line in lines if line.title)
    drawing = Drawing(WIDTH, HEIGHT + (18 if below else 0), f"{labels[1]} over {labels[0]}. {spoken}".strip())
    vertical_axis(drawing, y, LEFT, labels[1], RIGHT)
    horizontal_axis(
        drawing,
        x,
        BOTTOM,
        "" if below else labels[0],
        TOP,
        n_ticks=8,
        whole=all_whole(p[0] for line in lines for p in line.points),
    )
    if below:
        for at, words in below:
            drawing.text((x(at), BOTTOM + 33), words, "tick middle")
        drawing.text(((LEFT + RIGHT) / 2, BOTTOM + 54), labels[0], "label middle")
    for line in lines:
        if line.low and line.high:
            there = [(x(p[0]), y(h)) for p, h in zip(line.points, line.high, strict=True)]
            back = [(x(p[0]), y(low)) for p, low in zip(line.points, line.low, strict=True)]
            drawing.path([*there, *reversed(back)], f"area {line.css.split()[0]}", line.title, closed=True)
    for reference in references:
        _refer(drawing, reference, x, y)
    for line in lines:
        places = [(x(a), y(b)) for a, b in line.points]
        drawing.path(places, f"curve thick {line.css}", line.title or line.name)
        for point, place in zip(line.points if line.marks else (), places, strict=False):
            title = f"{line.name}: {number(point[1])} at {number(point[0])}"
            drawing.dot(place, 3.0, f"seed {line.css.split()[0]}", title)
    _names(drawing, lines, y)
    return drawing.svg()


def _scales(
    lines: Sequence[Line], references: Sequence[Reference], x_range: Point | None, y_range: Point | None
) -> tuple[Scale, Scale]:
    across = [p[0] for line in lines for p in line.points] + [r.at for r in references if r.axis == "x"]
    heights = [v for line in lines for v in (*(p[1] for p in line.points), *line.low, *line.high)]
    heights += [r.at for r in references if r.axis == "y"]
    return Scale(*(x_range or padded(across, 0.02)), LEFT, RIGHT), Scale(*(y_range or padded(heights)), BOTTOM, TOP)


def _refer(drawing: Drawing, reference: Reference, x: Scale, y: Scale) -> None:
    if reference.axis == "x":
        drawing.line((x(reference.at), TOP), (x(reference.at), BOTTOM), "majority")
        drawing.text((x(reference.at) + 5, BOTTOM - 6), reference.name, "tick")
    else:
        drawing.line((LEFT, y(reference.at)), (RIGHT, y(reference.at)), "majority")
        drawing.text((RIGHT - 4, y(reference.at) - 5), reference.name, "tick end")


def _names(drawing: Drawing, lines: Sequence[Line], y: Scale) -> None:
    """Each name right of where its line ends, moved down or up where two would cover each other, with a piece of its line."""
    ends = sorted(((y(line.points[-1][1]), line) for line in lines), key=lambda end: end[0])
    places: list[float] = []
    for height, _ in ends:
        places.append(max(height, places[-1] + APART) if places else height)
    too_low = max(0.0, places[-1] - (BOTTOM + 4)) if places else 0.0
    for (_, line), place in zip(ends, places, strict=True):
        at = place - too_low
        drawing.path([(RIGHT + 8, at), (RIGHT + 30, at)], f"curve thick {line.css}", line.name)
        drawing.text((RIGHT + 36, at + 4), shortened(line.name, LONGEST_NAME), "name")

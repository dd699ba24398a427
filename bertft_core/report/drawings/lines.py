"""Lines over one pair of axes, with bands, references, and a name beside the end of each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import DASHES, PAGE, Look, number, of_place
from bertft_core.report.drawings.names import name_below, rows_below
from bertft_core.report.drawings.ranges import Point, all_whole, padded
from bertft_core.report.drawings.sheet import Margins, Sheet, drawing, new_sheet
from bertft_core.report.formatting.numbers import shortened

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

WIDE, NARROW = Margins(60, 34, 170, 60), Margins(48, 34, 12, 60)
HEIGHT, NARROW_HEIGHT = 340, 290
LONGEST_NAME = 18
APART = 16.0
"""Units between the names of two lines."""


@dataclass(frozen=True)
class Line:
    """One line; a band where `low` and `high` are given, each as long as `points`."""

    name: str
    place: int
    """Says its colour and its dash, so that lines can be distinguished in black and white."""
    points: Sequence[Point]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    title: str = ""
    """Shows under the mouse and is read aloud."""
    marks: bool = False
    """A dot at every point."""

    @property
    def colour(self) -> str:
        """Of the palette."""
        return of_place(self.place)

    def draw(self, sheet: Sheet, x: Sequence[float], y: Sequence[float], title: str, **options: object) -> None:
        """A line in its colour and dash."""
        dash = self.place % len(DASHES)
        css = f"curve {self.colour} d{dash}"
        sheet.line(x, y, self.colour, 2.2, css, title, dash=DASHES[dash], **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Reference:
    """A dashed line across the picture, at one value of x or y, with its name."""

    axis: str
    """x or y."""
    at: float
    name: str


@drawing
def line_plot(
    lines: Sequence[Line],
    labels: tuple[str, str],
    *,
    references: Sequence[Reference] = (),
    x_range: Point | None = None,
    y_range: Point | None = None,
    below: Sequence[tuple[float, str]] = (),
    look: Look = PAGE,
) -> StudyFigure:
    """`labels` of x and y with their units; ranges cover all lines, bands and references unless given.

    `below` is a second row of numbers under the x axis: (x, words), such as a cost.
    """
    names = [line.name for line in lines] if look.narrow else []
    margins = NARROW if look.narrow else WIDE
    extra = (18 if below else 0) + rows_below(names, look)
    height = (NARROW_HEIGHT if look.narrow else HEIGHT) + extra
    spoken = " ".join(line.title for line in lines if line.title)
    alt = f"{labels[1]} over {labels[0]}. {spoken}".strip()
    sheet = new_sheet(look, (look.width, height), margins._replace(bottom=margins.bottom + extra), alt)
    _limit(sheet, lines, references, x_range, y_range)
    sheet.number_y(labels[1])
    sheet.number_x(labels[0], 4 if look.narrow else 8, whole=all_whole(p[0] for line in lines for p in line.points))
    if below:
        _second_row(sheet, below)
    for line in lines:
        if line.low and line.high:
            sheet.area([p[0] for p in line.points], line.low, line.high, line.colour, line.title)
    for reference in references:
        if reference.axis == "x":
            sheet.mark_x(reference.at, reference.name, low=True)
        else:
            sheet.mark_y(reference.at, reference.name)
    for line in lines:
        x, y = zip(*line.points, strict=True)
        line.draw(sheet, x, y, line.title or line.name)
        if line.marks:
            titles = [f"{line.name}: {number(b)} at {number(a)}" for a, b in line.points]
            sheet.dots(x, y, line.colour, titles, radius=3.0)
    if look.narrow:
        name_below(sheet, names, 52 + (18 if below else 0), lambda i, a, b, of: lines[i].draw(sheet, a, b, names[i], of=of))
    else:
        _name_ends(sheet, lines)
    return sheet.figure


def _limit(
    sheet: Sheet, lines: Sequence[Line], references: Sequence[Reference], x_range: Point | None, y_range: Point | None
) -> None:
    across = [p[0] for line in lines for p in line.points] + [r.at for r in references if r.axis == "x"]
    heights = [v for line in lines for v in (*(p[1] for p in line.points), *line.low, *line.high)]
    heights += [r.at for r in references if r.axis == "y"]
    sheet.axes.set(xlim=x_range or padded(across, 0.02), ylim=y_range or padded(heights))


def _second_row(sheet: Sheet, below: Sequence[tuple[float, str]]) -> None:
    for at, words in below:
        sheet.words((at, 0), words, "tick", "center", aside=(0, -33), of=sheet.axes.get_xaxis_transform())
    sheet.axes.xaxis.labelpad += sheet.sized(20)


def _name_ends(sheet: Sheet, lines: Sequence[Line]) -> None:
    """Each name right of where its line ends, moved down or up where two would cover each other, with a piece of its line."""
    low, high = sheet.axes.get_ylim()
    ends = sorted((((high - line.points[-1][1]) / (high - low) * sheet.height, line) for line in lines), key=lambda end: end[0])
    places: list[float] = []
    for height, _ in ends:
        places.append(max(height, places[-1] + APART) if places else height)
    too_low = max(0.0, places[-1] - (sheet.height + 4)) if places else 0.0
    for (_, line), place in zip(ends, places, strict=True):
        at = 1 - (place - too_low) / sheet.height
        piece = [1 + units / sheet.width for units in (8, 30)]
        line.draw(sheet, piece, (at, at), line.name, of=sheet.axes.transAxes)
        sheet.words((1, at), shortened(line.name, LONGEST_NAME), "name", aside=(36, -4), of="axes fraction")

"""Points of several groups over one pair of axes, and a cross of means for each: what a score costs is drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.names import name_below, rows_below
from bertft_core.report.drawings.ranges import Point, padded, padded_powers
from bertft_core.report.drawings.sheet import Margins, Sheet, drawing, new_sheet
from bertft_core.report.formatting.numbers import shortened

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

WIDE, NARROW = Margins(60, 34, 170, 60), Margins(48, 34, 12, 60)
HEIGHT = 320
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


@drawing
def scatter_plot(groups: Sequence[Group], labels: tuple[str, str], *, centers: bool = True, look: Look = PAGE) -> StudyFigure:
    """`labels` of x and y with their units; groups without points are left out. `centers` draws the crosses."""
    drawn = [group for group in groups if group.points]
    across = [p[0] for group in drawn for p in group.points]
    logarithmic = centers and min(across) > 0 and max(across) > LOGARITHMIC * min(across)
    names, margins = [group.name for group in drawn], NARROW if look.narrow else WIDE
    extra = rows_below(names, look) if look.narrow else max(0, WIDE.top + NAME_HEIGHT * len(drawn) + 20 - HEIGHT)
    alt = f"{labels[1]} over {labels[0]}. " + " ".join(group.spoken for group in drawn)
    sheet = new_sheet(look, (look.width, HEIGHT + extra), margins._replace(bottom=margins.bottom + extra), alt)
    heights = padded(p[1] for group in drawn for p in group.points)
    sheet.axes.set(
        xscale="log" if logarithmic else "linear", xlim=(padded_powers if logarithmic else padded)(across), ylim=heights
    )
    sheet.number_y(labels[1])
    sheet.number_x(labels[0], 4 if look.narrow else 6, logarithmic=logarithmic)
    for group in drawn:
        x, y = zip(*group.points, strict=True)
        sheet.dots(x, y, group.css, group.titles, radius=4.0)
        if centers:
            sheet.cross(group.center, group.css, 18, 3, f"mean {group.css}")
    if look.narrow:
        name_below(sheet, names, 52, lambda i, a, b, of: _sample(sheet, drawn[i], (sum(a) / 2, b[0])))
    for i, group in enumerate(() if look.narrow else drawn):
        place = 1 + 20 / sheet.width, 1 - (NAME_HEIGHT * i + 6) / sheet.height
        _sample(sheet, group, place)
        sheet.words(place, shortened(group.name, LONGEST_NAME), "name", aside=(12, -4), of="axes fraction")
    return sheet.figure


def _sample(sheet: Sheet, group: Group, place: Point) -> None:
    sheet.dots([place[0]], [place[1]], group.css, [group.name], of=sheet.axes.transAxes)

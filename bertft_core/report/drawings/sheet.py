"""A new figure with one pair of axes, and the marks that our figures consist of, in the units of its look."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, ParamSpec

import numpy as np

from bertft_core.report.drawings.look import DASHES, KINDS, Look, palette
from bertft_core.report.drawings.ranges import Point
from bertft_core.report.drawings.ticks import in_one_line, locate

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation, Text
    from matplotlib.transforms import Transform

    from bertft_core.report.drawings.study_figure import StudyFigure

P = ParamSpec("P")
Y_LABEL_ASIDE, LETTER, SMALLEST = 34, 6.4, 0.8
"""Of the words above the axes: units left of these, units of a letter, and what is left of their size where they are long."""
Side = Literal["left", "center", "right"]


class Margins(NamedTuple):
    """Around the axes, in units."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Sheet:
    """A figure in the making."""

    figure: StudyFigure
    axes: Axes
    look: Look
    width: float
    """Of the axes, in units."""
    height: float

    def sized(self, units: float) -> float:
        """Points."""
        return units * self.look.points

    def named(self, artist: Artist, css: str, titles: Sequence[str] = ()) -> None:
        """The class of a mark's shapes, and the words that each shows under the pointer."""
        gid = f"{css}#{len(self.figure.titles)}"
        artist.set_gid(gid)
        self.figure.titles[gid] = titles

    def words(
        self,
        at: Point,
        words: str,
        kind: str,
        side: Side = "left",
        *,
        aside: Point = (0.0, 0.0),
        of: str | Transform | tuple[Any, Any] = "data",
        bold: bool = False,
    ) -> Annotation:
        """Words whose baseline begins (or has its middle, or ends) at a point, moved `aside` by units."""
        size, colour, always_bold = KINDS[kind]
        found = self.axes.annotate(
            in_one_line(words),
            at,
            xycoords=of,
            xytext=(self.sized(aside[0]), self.sized(aside[1])),
            textcoords="offset points",
            ha=side,
            va="baseline",
            fontsize=self.sized(size),
            color=palette()[colour],
            fontweight="bold" if bold or always_bold else "normal",
            annotation_clip=False,
        )
        found.set_gid(kind)
        return found

    def clear_behind(self, words: Text) -> None:
        """Words over a line."""
        words.set_bbox({"boxstyle": "square,pad=0.2", "facecolor": palette()["paper"], "edgecolor": "none"})

    def dots(
        self,
        x: Sequence[float],
        y: Sequence[float],
        colour: str,
        titles: Sequence[str],
        *,
        radius: float | Sequence[float] = 5.0,
        hollow: bool = False,
        of: Transform | None = None,
    ) -> None:
        """A circle for each point, filled, or hollow where it is to be seen as doubtful."""
        paper, ink = palette()["paper"], palette()[colour]
        found = self.axes.scatter(
            x,
            y,
            s=(2 * self.sized(1.0) * np.asarray(radius)) ** 2,
            facecolors=paper if hollow else (ink, 0.75),
            edgecolors=ink if hollow else paper,
            linewidths=self.sized(1.8 if hollow else 0.8),
            zorder=3,
            clip_on=False,
            transform=of or self.axes.transData,
        )
        self.named(found, f"{'hollow' if hollow else 'seed'} {colour}", titles)

    def line(
        self,
        x: Sequence[float],
        y: Sequence[float],
        colour: str,
        width: float,
        css: str,
        title: str = "",
        *,
        opacity: float = 1.0,
        dash: Any = "solid",
        round_ends: bool = False,
        zorder: float = 2.0,
        of: Transform | None = None,
    ) -> None:
        """A line through all points."""
        from matplotlib.lines import Line2D

        found = Line2D(
            x,
            y,
            color=(palette()[colour], opacity),
            linewidth=self.sized(width),
            linestyle="solid" if dash == "solid" else (0, [self.sized(each) for each in dash[1]]),
            solid_capstyle="round" if round_ends else "butt",
            dash_capstyle="round" if round_ends or dash == DASHES[2] else "butt",
            zorder=zorder,
            clip_on=False,
            transform=of or self.axes.transData,
        )
        self.named(self.axes.add_artist(found), css, [title])  # limits are given: `plot` would look for them at every line

    def lines(
        self, runs: Sequence[Sequence[Point]], colour: str, width: float, css: str, titles: Sequence[str], *, dash: Any
    ) -> None:
        """Many lines of one look."""
        from matplotlib.collections import LineCollection

        found = LineCollection(
            [np.asarray(points) for points in runs],
            colors=[(palette()[colour], 0.75)],
            linewidths=self.sized(width),
            linestyles=dash if isinstance(dash, str) else [(0, [self.sized(each) for each in dash[1]])],
            clip_on=False,
            zorder=2,
        )
        self.named(self.axes.add_collection(found, autolim=False), css, titles)

    def cross(self, at: Point, colour: str, units: float, width: float, css: str) -> None:
        """A plus of this size."""
        from matplotlib.markers import MarkerStyle

        (found,) = self.axes.plot(
            [at[0]],
            [at[1]],
            color=palette()[colour],
            linestyle="none",
            marker=MarkerStyle("+", capstyle="round"),
            markersize=self.sized(units),
            markeredgewidth=self.sized(width),
            zorder=3.1,
            clip_on=False,
        )
        self.named(found, css)

    def box(self, low: Point, high: Point, colour: str, css: str, title: str, *, opacity: float, edge: float = 0.0) -> None:
        """A rectangle between two corners, `edge` units apart from its neighbours."""
        from matplotlib.patches import Rectangle

        shape = Rectangle(
            low,
            high[0] - low[0],
            high[1] - low[1],
            facecolor=(palette()[colour], opacity),
            edgecolor=palette()["paper"] if edge else "none",
            linewidth=self.sized(edge),
            clip_on=False,
            zorder=1.5,
        )
        self.named(self.axes.add_patch(shape), css, [title])

    def area(self, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str, title: str) -> None:
        """The surface between two lines."""
        around = [*x, *reversed(x)], [*high, *reversed(low)]
        (found,) = self.axes.fill(*around, facecolor=(palette()[colour], 0.16), linewidth=0, zorder=1.2, clip_on=False)
        self.named(found, f"area {colour}", [title])

    def mark_x(self, at: float, name: str, *, low: bool = False) -> None:
        """A dashed line at one value of x, its name above the axes or, `low`, at its foot."""
        up = self.axes.get_xaxis_transform()
        self.line((at, at), (0, 1), "soft", 1.2, "majority", dash=(0, (4, 4)), zorder=1.4, of=up)
        if low:
            self.words((at, 0), name, "tick", aside=(5, 6), of=up)
        else:
            self.words((at, 1), name, "tick", "center", aside=(0, 8), of=up)

    def mark_y(self, at: float, name: str, *, below: bool = False) -> None:
        """A dashed line at one value of y, its name above or below its end."""
        across = self.axes.get_yaxis_transform()
        self.line((0, 1), (at, at), "soft", 1.2, "majority", dash=(0, (4, 4)), zorder=1.4, of=across)
        self.words((1, at), name, "tick", "right", aside=(0, -14) if below else (-4, 5), of=across)

    def number_x(self, label: str, n: int = 6, *, whole: bool = False, logarithmic: bool = False) -> None:
        """Numbers under the axes, grid lines above them, the label below."""
        axis = self.axes.xaxis
        locate(axis, n, whole, logarithmic)
        self._style_ticks("x", 6.5)
        self._label_x(label)

    def _label_x(self, label: str) -> None:
        size, colour, _ = KINDS["label"]
        self.axes.set_xlabel(
            in_one_line(label), fontsize=self.sized(size), color=palette()[colour], labelpad=self.sized(6.5), gid="label"
        )

    def number_y(self, label: str, *, whole: bool = False, logarithmic: bool = False) -> None:
        """Numbers left of the axes, grid lines to the right of them, the label above."""
        locate(self.axes.yaxis, 6, whole, logarithmic)
        self._style_ticks("y", 6.0)
        self._name_y(label)

    def _name_y(self, label: str) -> None:
        size, colour, _ = KINDS["label"]
        found = self.axes.set_ylabel(
            in_one_line(label), fontsize=self.sized(size), color=palette()[colour], rotation=0, ha="left", gid="label"
        )
        found.set_verticalalignment("baseline")
        if (room := (self.width + Y_LABEL_ASIDE) / (LETTER * len(label))) < 1:  # on a phone
            found.set_fontsize(self.sized(size) * max(room, SMALLEST))
        self.axes.yaxis.set_label_coords(-Y_LABEL_ASIDE / self.width, 1 + 10 / self.height)

    def name_columns(self, names: Mapping[int, str], label: str) -> None:
        """Names under the axes at some places, and what they are of."""
        self.axes.set_xticks(list(names), list(map(in_one_line, names.values())))
        size, colour, _ = KINDS["tick"]
        self.axes.tick_params("x", length=0, pad=self.sized(8.5), labelsize=self.sized(size), labelcolor=palette()[colour])
        self._label_x(label)

    def name_rows(self, places: Sequence[float], names: Sequence[str], bold: Sequence[bool] = ()) -> None:
        """A name left of the axes at each place."""
        self.axes.set_yticks(places, list(map(in_one_line, names)))
        size, colour, _ = KINDS["arm"]
        self.axes.tick_params(axis="y", length=0, pad=self.sized(12), labelsize=self.sized(size), labelcolor=palette()[colour])
        for label, is_bold in zip(self.axes.get_yticklabels(), bold or [False] * len(names), strict=True):
            label.set_fontweight("bold" if is_bold else "normal")
            label.set_gid("arm")

    def _style_ticks(self, axis: Literal["x", "y"], pad: float) -> None:
        size, colour, _ = KINDS["tick"]
        self.axes.tick_params(
            axis=axis, which="both", length=0, pad=self.sized(pad), labelsize=self.sized(size), labelcolor=palette()[colour]
        )
        self.axes.grid(axis=axis, which="both", color=palette()["line"], linewidth=self.sized(1.0), gid="grid")


def drawing(make: Callable[P, StudyFigure]) -> Callable[P, StudyFigure]:
    """A function that draws with our settings of matplotlib."""

    @functools.wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> StudyFigure:
        from bertft_core.report.drawings.study_figure import settings

        with settings():
            return make(*args, **kwargs)

    return made


def new_sheet(look: Look, size: Point, margins: Margins, alt: str) -> Sheet:
    """A figure of this size, in units, and its axes without a frame."""
    from bertft_core.report.drawings.study_figure import StudyFigure

    figure = StudyFigure((size[0] * look.points, size[1] * look.points), alt)
    width, height = size[0] - margins.left - margins.right, size[1] - margins.top - margins.bottom
    place = (margins.left / size[0], margins.bottom / size[1], width / size[0], height / size[1])
    axes = figure.add_axes(place, facecolor="none")
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.margins(0)
    axes.set_xticks([])
    axes.set_yticks([])
    return Sheet(figure, axes, look, width, height)

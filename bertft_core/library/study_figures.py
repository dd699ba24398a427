"""Figures of a study with matplotlib, one function each, from its frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.metrics.bounds import bounds_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = ("#1f6fb4", "#d1652a", "#2c8a64", "#9c4f96", "#b08a00", "#3aa0c0", "#b3372f", "#6b7280")
"""Of the arms, in their order; as in the report."""
SOFT, LINE = "#5b6675", "#dde2e8"
WIDTH, ROW, REST = 7.0, 0.5, 1.2
"""Inches: of a figure, of a line in it, and of what is around the lines."""
DPI = 150


class StudyFigure(Figure):
    """A figure that a notebook shows whether or not pyplot is loaded."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=DPI)
        return picture.getvalue()


def scores(
    values: pd.DataFrame, arms: Sequence[str], intervals: dict[str, tuple[float, float]], title: str, metric: str
) -> Figure:
    """Every seed of every arm as a dot (hollow where the run collapsed), the mean as a line, its interval as a bar.

    `values` has the columns `arm`, `seed`, `status` and `value`. `arms` are those of the study in their order, for their colours.
    """
    figure, axes = _figure(len(arms))
    for row, arm in enumerate(arms):
        of_arm, colour = values[values["arm"] == arm], colour_of(arm, arms)
        if of_arm.empty:
            continue
        numbers = of_arm["value"].to_numpy(dtype=float)
        if arm in intervals:
            axes.plot(intervals[arm], (row, row), color=colour, alpha=0.3, linewidth=9, solid_capstyle="butt", zorder=1)
        axes.plot((numbers.mean(),) * 2, (row - 0.28, row + 0.28), color=colour, linewidth=2.2, zorder=2)
        filled = [colour if status != "collapsed" else "white" for status in of_arm["status"]]
        axes.scatter(numbers, row + _apart(numbers), s=26, facecolors=filled, edgecolors=colour, linewidths=1.1, zorder=3)
    _name_rows(axes, arms)
    _within(axes, metric)
    axes.set_xlabel(title)
    return figure


def colour_of(arm: str, arms: Sequence[str]) -> str:
    """One colour for an arm in every figure."""
    return COLOURS[list(arms).index(arm) % len(COLOURS)]


def _apart(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Heights for dots, so that equal ones do not hide each other: by turns above and below."""
    places = np.zeros(len(values))
    places[np.argsort(values, kind="stable")] = np.tile([0.0, 0.14, -0.14], len(values))[: len(values)]
    return places


def curves(points: pd.DataFrame, arms: Sequence[str], x: str, labels: tuple[str, str]) -> Figure:
    """The mean over the runs of each arm, and the band from the lowest to the highest run.

    `points` has the columns `arm`, `seed`, `value` and that of `x`. Where fewer than half of an arm's runs go on, it ends.
    """
    figure = StudyFigure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for arm in dict.fromkeys(points["arm"]):
        of_arm, colour = points[points["arm"] == arm], colour_of(arm, arms)
        grouped = of_arm.groupby(x)["value"]
        band = grouped.agg(["mean", "min", "max", "count"])
        band = band[band["count"] >= of_arm["seed"].nunique() / 2]
        at = band.index.to_numpy(dtype=float)
        axes.fill_between(at, band["min"], band["max"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(at, band["mean"], color=colour, linewidth=1.8, label=arm)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    _without_frame(axes)
    axes.legend(frameon=False)
    return figure


def comparison(pairs: pd.DataFrame, title: str) -> Figure:
    """The difference of every pair with its interval: filled where it is claimed, hollow where it is inconclusive.

    `pairs` has the columns of `Study.comparison`, of one metric.
    """
    names = [f"{arm} − {baseline}" for arm, baseline in zip(pairs["arm"], pairs["baseline"], strict=True)]
    figure, axes = _figure(len(names))
    axes.axvline(0, color=SOFT, linewidth=1)
    numbers = zip(*(pairs[name].to_numpy(dtype=float) for name in ("difference", "low", "high")), strict=True)
    for row, ((difference, low, high), claimed) in enumerate(zip(numbers, pairs["claimed"].tolist(), strict=True)):
        colour = COLOURS[0] if claimed else SOFT
        axes.plot((low, high), (row, row), color=colour, linewidth=2.2)
        axes.scatter([difference], [row], s=44, facecolors=[colour if claimed else "white"], edgecolors=colour, zorder=3)
    _name_rows(axes, names)
    axes.set_xlabel(title)
    return figure


def _figure(n_rows: int) -> tuple[Figure, Axes]:
    figure = StudyFigure(figsize=(WIDTH, REST + ROW * n_rows), layout="constrained")
    return figure, figure.add_subplot()


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """The first name on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    _without_frame(axes)


def _without_frame(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(colors=SOFT, labelcolor="black")


def _within(axes: Axes, metric: str) -> None:
    """The axis ends where the metric does."""
    lowest, highest = bounds_of(metric)
    low, high = axes.get_xlim()
    margin = 0.02 * (high - low)
    axes.set_xlim(max(low, lowest - margin), min(high, highest + margin))


def refuse_unknown(what: str, name: str, known: Sequence[str]) -> None:
    """Raise `UserError` for a name that is none of the known ones."""
    if name not in known:
        raise UserError(
            f"no such {what} to draw",
            code="figure.nothing-named",
            found=name,
            expected=f"one of {', '.join(known)}" if known else "a study that has any",
            hint=did_you_mean(name, known) or "leave it out for the headline's",
        )

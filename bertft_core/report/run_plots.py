"""The report's pictures: every seed as a point, and every run's curve as a line."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.prose import picture_text
from bertft_core.report.svg import Drawing, Point, Scale, all_whole, horizontal_axis, padded, vertical_axis

N_COLOURS = 8
LEFT, TOP = 150, 30
LONGEST_NAME = 17
MOST_LIFT = 60.0
DOT = 5.0


def colour(position: int) -> str:
    """Style class of an arm by its place in the study."""
    return f"c{position % N_COLOURS}"


@dataclass(frozen=True)
class SeedPoint:
    """One run in the seed plot."""

    value: float
    title: str
    collapsed: bool


@dataclass(frozen=True)
class ArmRow:
    """One arm in the seed plot."""

    arm: str
    points: Sequence[SeedPoint]
    mean: float | None
    low: float | None
    high: float | None
    css: str | None = None
    """Its colour; by default by its place."""


def seed_plot(
    rows: Sequence[ArmRow], label: str, majority: float | None, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> Markup:
    """One row for each arm: seeds as points (hollow when collapsed), mean as a tick, 95 % t-interval as a bar.

    `majority` is marked when it lies near enough to leave the points apart. The axis ends at the `bounds` of the metric.
    """
    values = [v for row in rows for v in (*(p.value for p in row.points), row.low, row.high) if v is not None]
    low, high = padded(values)
    shown = majority is not None and low - (high - low) <= majority <= high + (high - low)
    if shown and majority is not None:
        low, high = padded([*values, majority])
    x = Scale(max(low, bounds[0]), min(high, bounds[1]), LEFT, 840)
    lifts = [_lifts([x(p.value) for p in row.points]) for row in rows]
    row_height = 46 + max((lift for row in lifts for lift in row), default=0.0)
    bottom = TOP + row_height * len(rows)
    drawing = Drawing(860, round(bottom) + 44, f"{label}, every seed. " + " ".join(_spoken(row) for row in rows))
    horizontal_axis(drawing, x, bottom, label, TOP)
    if shown and majority is not None:
        drawing.line((x(majority), TOP), (x(majority), bottom), "majority")
        drawing.text((x(majority), TOP - 8), "constant predictor", "tick middle")
    for i, row in enumerate(rows):
        _seed_row(drawing, row, lifts[i], x, TOP + row_height * (i + 1) - 28, row.css or colour(i))
    return drawing.svg()


def _spoken(row: ArmRow) -> str:
    if row.mean is None:
        return picture_text.said("no seeds", arm=row.arm)
    mean, interval = numbers.score(row.mean), intervals.interval(row.low, row.high)
    return picture_text.said("seeds", arm=row.arm, mean=mean, interval=interval)


def _seed_row(drawing: Drawing, row: ArmRow, lifts: Sequence[float], x: Scale, y: float, css: str) -> None:
    drawing.text((LEFT - 12, y + 9), numbers.shortened(row.arm, LONGEST_NAME), "arm end")
    if row.low is not None and row.high is not None:
        drawing.line((x(row.low), y + 14), (x(row.high), y + 14), f"interval {css}")
    if row.mean is not None:
        drawing.line((x(row.mean), y + 6), (x(row.mean), y + 22), f"mean {css}")
    for point, lift in zip(row.points, lifts, strict=True):
        drawing.dot((x(point.value), y - lift), DOT, f"{'hollow' if point.collapsed else 'seed'} {css}", point.title)


def _lifts(places: Sequence[float]) -> list[float]:
    """How far to raise each dot so that none covers another; pressed together where a stack would grow too high."""
    levels: list[list[float]] = []  # the places of the dots at each height, sorted: only neighbours can be too near
    lifts = []
    for place in places:
        level = next((i for i, taken in enumerate(levels) if not _is_near(place, taken)), len(levels))
        if level == len(levels):
            levels.append([])
        bisect.insort(levels[level], place)
        lifts.append(level * 2.0 * DOT)
    highest = max(lifts, default=0.0)
    return [lift * min(1.0, MOST_LIFT / highest) if highest else 0.0 for lift in lifts]


def _is_near(place: float, taken: Sequence[float]) -> bool:
    """A dot there would cover one of those at these places, which are sorted."""
    i = bisect.bisect(taken, place)
    return any(abs(place - other) < 1.6 * DOT for other in taken[max(i - 1, 0) : i + 1])


@dataclass(frozen=True)
class Curve:
    """One run's line."""

    title: str
    points: Sequence[Point]
    troubled: bool


def curve_plot(arm: str, css: str, curves: Sequence[Curve], labels: tuple[str, str], ranges: tuple[Point, Point]) -> Markup:
    """All runs of one arm; `labels` and `ranges` of x and y are shared by all arms, so that panels can be compared."""
    (x_label, y_label), (x_range, y_range) = labels, ranges
    drawing = Drawing(420, 250, picture_text.said("curves", y=y_label, x=x_label, n=len(curves), arm=arm))
    x, y = Scale(*x_range, 48, 410), Scale(*y_range, 205, 28)
    vertical_axis(drawing, y, 48, y_label, 410)
    horizontal_axis(drawing, x, 205, x_label, 28, n_ticks=5, whole=all_whole(a for curve in curves for a, _ in curve.points))
    for curve in curves:
        at = [(x(a), y(b)) for a, b in curve.points]
        drawing.path(at, f"curve {css}{' troubled' if curve.troubled else ''}", curve.title)
        drawing.dot(at[-1], 2.5, f"seed {css}", curve.title)
    return drawing.svg()

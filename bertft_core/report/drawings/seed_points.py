"""Every seed of every arm as a point, with the mean and its interval."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look, of_place
from bertft_core.report.drawings.ranges import padded
from bertft_core.report.drawings.sheet import Margins, Sheet, drawing, new_sheet
from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.prose import picture_text

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

LEAST_LEFT, MOST_LEFT, LETTER = 70, 150, 8.6
TOP, RIGHT, BOTTOM = 30, 20, 44
ROW, ABOVE_END = 46.0, 28.0
LONGEST_NAME = 17
MOST_LIFT = 60.0
DOT = 5.0


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


@drawing
def seed_plot(
    rows: Sequence[ArmRow],
    label: str,
    majority: float | None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    *,
    look: Look = PAGE,
) -> StudyFigure:
    """One row for each arm: seeds as points (hollow when collapsed), mean as a tick, 95 % t-interval as a bar.

    `majority` is marked when it lies near enough to leave the points apart. The axis ends at the `bounds` of the metric.
    """
    values = [v for row in rows for v in (*(p.value for p in row.points), row.low, row.high) if v is not None]
    low, high = padded(values)
    shown = majority is not None and low - (high - low) <= majority <= high + (high - low)
    if shown and majority is not None:
        low, high = padded([*values, majority])
    low, high = max(low, bounds[0]), min(high, bounds[1])
    left = MOST_LEFT if not look.narrow else _room([row.arm for row in rows])
    per_value = (look.width - left - RIGHT) / (high - low)
    lifts = [_lifts([per_value * p.value for p in row.points]) for row in rows]
    row_height = ROW + max((lift for row in lifts for lift in row), default=0.0)
    bottom = row_height * len(rows)
    alt = f"{label}, every seed. " + " ".join(_spoken(row) for row in rows)
    sheet = new_sheet(look, (look.width, TOP + bottom + BOTTOM), Margins(left, TOP, RIGHT, BOTTOM), alt)
    sheet.axes.set(xlim=(low, high), ylim=(bottom, 0))
    sheet.number_x(label, 4 if look.narrow else 6)
    if shown and majority is not None:
        sheet.mark_x(majority, "constant predictor")
    ends = [row_height * (i + 1) - ABOVE_END for i in range(len(rows))]
    sheet.name_rows([end + 4 for end in ends], [numbers.shortened(row.arm, LONGEST_NAME) for row in rows])
    for i, row in enumerate(rows):
        _draw(sheet, row, lifts[i], ends[i], row.css or of_place(i))
    return sheet.figure


def _room(names: Sequence[str]) -> float:
    return min(MOST_LEFT, max(LEAST_LEFT, 18 + LETTER * max(map(len, names), default=0)))


def _spoken(row: ArmRow) -> str:
    if row.mean is None:
        return picture_text.said("no seeds", arm=row.arm)
    mean, interval = numbers.score(row.mean), intervals.interval(row.low, row.high)
    return picture_text.said("seeds", arm=row.arm, mean=mean, interval=interval)


def _draw(sheet: Sheet, row: ArmRow, lifts: Sequence[float], y: float, css: str) -> None:
    if row.low is not None and row.high is not None:
        sheet.line((row.low, row.high), (y + 14, y + 14), css, 4, f"interval {css}", opacity=0.45, round_ends=True)
    if row.mean is not None:
        sheet.line((row.mean, row.mean), (y + 6, y + 22), css, 3, f"mean {css}", round_ends=True)
    for collapsed in (False, True):
        chosen = [(p, lift) for p, lift in zip(row.points, lifts, strict=True) if p.collapsed == collapsed]
        if chosen:
            titles = [p.title for p, _ in chosen]
            heights = [y - lift for _, lift in chosen]
            sheet.dots([p.value for p, _ in chosen], heights, css, titles, radius=DOT, hollow=collapsed)


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

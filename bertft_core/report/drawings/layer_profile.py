"""A profile: one number at each layer of every arm, seeds as points and their mean as a line."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.ranges import padded, padded_powers
from bertft_core.report.drawings.sheet import Margins, Sheet, drawing, new_sheet
from bertft_core.report.formatting import numbers

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

MARGINS, HEIGHT = Margins(56, 34, 15, 55), 300
APART = 6.0
"""Units between the points of two arms at the same layer."""
MOST_NAMES = 14


@dataclass(frozen=True)
class Profile:
    """One arm."""

    arm: str
    css: str
    values: Mapping[str, Mapping[int, float]]
    """Place → seed index → value."""


@drawing
def profile_plot(
    profiles: Sequence[Profile],
    places: Sequence[str],
    labels: tuple[str, str],
    *,
    reference: tuple[float, str] | None = None,
    logarithmic: bool = False,
    look: Look = PAGE,
) -> StudyFigure:
    """`places` from the left, `labels` of places and values; `reference` is a dashed line and its name.

    A logarithmic axis shows what is above 0.
    """
    shown = [_above_zero(profile) for profile in profiles] if logarithmic else profiles
    heights = [value for profile in shown for seeds in profile.values.values() for value in seeds.values()]
    heights += [] if reference is None else [reference[0]]
    alt = f"{labels[1]} by {labels[0]}. " + " ".join(_spoken(profile) for profile in profiles)
    sheet = new_sheet(look, (look.width, HEIGHT), MARGINS, alt)
    y_range = padded_powers(heights) if logarithmic and heights else padded(heights)
    sheet.axes.set(xlim=(-0.5, max(0.5, len(places) - 0.5)), yscale="log" if logarithmic else "linear", ylim=y_range)
    sheet.number_y(labels[1], logarithmic=logarithmic)
    every = math.ceil(len(places) / (MOST_NAMES // 2 if look.narrow else MOST_NAMES))
    names = {i: place.removeprefix("layer ").removeprefix("top ") for i, place in enumerate(places) if i % every == 0}
    sheet.name_columns(names, labels[0])
    if reference is not None:
        sheet.mark_y(reference[0], reference[1], below=True)
    for i, profile in enumerate(shown):
        _draw(sheet, profile, places, (i - (len(shown) - 1) / 2) * APART * max(1, len(places)) / sheet.width)
    return sheet.figure


def _above_zero(profile: Profile) -> Profile:
    found = {place: {i: value for i, value in seeds.items() if value > 0} for place, seeds in profile.values.items()}
    return Profile(profile.arm, profile.css, {place: seeds for place, seeds in found.items() if seeds})


def _spoken(profile: Profile) -> str:
    means = [(place, sum(seeds.values()) / len(seeds)) for place, seeds in profile.values.items() if seeds]
    if not means:
        return f"{profile.arm}: nothing."
    ends = " to ".join(f"{numbers.setting(mean)} at {place}" for place, mean in dict([means[0], means[-1]]).items())
    return f"{profile.arm}: {ends}."


def _draw(sheet: Sheet, profile: Profile, places: Sequence[str], aside: float) -> None:
    found = [(i + aside, place, profile.values[place]) for i, place in enumerate(places) if profile.values.get(place)]
    dots = [(x, value, f"{profile.arm} seed {i}, {place}") for x, place, seeds in found for i, value in seeds.items()]
    if dots:
        x, y, titles = zip(*dots, strict=True)
        sheet.dots(x, y, profile.css, titles, radius=3.0)
    if len(found) > 1:
        # in the middle of the points as they are seen: on a logarithmic axis that is the geometric mean
        mean = statistics.geometric_mean if sheet.axes.get_yscale() == "log" else statistics.fmean
        means = [mean(seeds.values()) for _, _, seeds in found]
        title = f"{profile.arm}, mean of its seeds"
        sheet.line([at for at, _, _ in found], means, profile.css, 1.5, f"curve {profile.css}", title, opacity=0.75)

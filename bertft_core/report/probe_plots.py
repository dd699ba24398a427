"""A profile: one number at each layer of every arm, seeds as points and their mean as a line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting import numbers
from bertft_core.report.svg import Drawing, Scale, number, padded, vertical_axis

WIDTH, HEIGHT = 860, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 845, 34, 245
APART = 6.0
"""Pixels between the points of two arms at the same layer."""
MOST_NAMES = 14


@dataclass(frozen=True)
class Profile:
    """One arm."""

    arm: str
    css: str
    values: Mapping[str, Mapping[int, float]]
    """Place → seed index → value."""


def profile_plot(
    profiles: Sequence[Profile],
    places: Sequence[str],
    labels: tuple[str, str],
    *,
    reference: tuple[float, str] | None = None,
    logarithmic: bool = False,
) -> Markup:
    """`places` from the left, `labels` of places and values; `reference` is a dashed line and its name.

    A logarithmic axis shows what is above 0.
    """
    shown = [_drawn(profile, logarithmic) for profile in profiles]
    heights = [value for profile in shown for seeds in profile.values.values() for value in seeds.values()]
    y = Scale(*padded(heights + ([] if reference is None else [reference[0]])), BOTTOM, TOP)
    x = Scale(-0.5, max(0.5, len(places) - 0.5), LEFT, RIGHT)
    drawing = Drawing(WIDTH, HEIGHT, f"{labels[1]} by {labels[0]}. " + " ".join(_spoken(profile) for profile in profiles))
    _axes(drawing, places, x, y, labels, logarithmic)
    if reference is not None:
        drawing.line((LEFT, y(reference[0])), (RIGHT, y(reference[0])), "majority")
        drawing.text((RIGHT, y(reference[0]) + 14), reference[1], "tick end")
    for i, profile in enumerate(shown):
        _draw(drawing, profile, places, x, y, (i - (len(shown) - 1) / 2) * APART)
    return drawing.svg()


def _drawn(profile: Profile, logarithmic: bool) -> Profile:
    if not logarithmic:
        return profile
    logs = {p: {seed: math.log10(value) for seed, value in seeds.items() if value > 0} for p, seeds in profile.values.items()}
    return Profile(profile.arm, profile.css, {place: seeds for place, seeds in logs.items() if seeds})


def _spoken(profile: Profile) -> str:
    means = [(place, sum(seeds.values()) / len(seeds)) for place, seeds in profile.values.items() if seeds]
    if not means:
        return f"{profile.arm}: nothing."
    ends = " to ".join(f"{numbers.setting(mean)} at {place}" for place, mean in dict([means[0], means[-1]]).items())
    return f"{profile.arm}: {ends}."


def _axes(drawing: Drawing, places: Sequence[str], x: Scale, y: Scale, labels: tuple[str, str], logarithmic: bool) -> None:
    if logarithmic:
        _logarithmic_axis(drawing, y, labels[1])
    else:
        vertical_axis(drawing, y, LEFT, labels[1], RIGHT)
    every = math.ceil(len(places) / MOST_NAMES)
    for i, place in enumerate(places):
        if i % every == 0:
            drawing.text((x(i), BOTTOM + 18), place.removeprefix("layer ").removeprefix("top "), "tick middle")
    drawing.text(((LEFT + RIGHT) / 2, BOTTOM + 40), labels[0], "label middle")


def _logarithmic_axis(drawing: Drawing, y: Scale, label: str) -> None:
    decades = range(math.floor(y.low), math.ceil(y.high) + 1)
    steps = (1, 2, 5) if y.high - y.low < 2 else (1,)
    for tick in (decade + math.log10(step) for decade in decades for step in steps):
        if y.low <= tick <= y.high:
            drawing.line((LEFT, y(tick)), (RIGHT, y(tick)), "grid")
            drawing.text((LEFT - 6, y(tick) + 4), number(10**tick), "tick end")
    drawing.text((LEFT - 34, y.end - 10), label, "label")


def _draw(drawing: Drawing, profile: Profile, places: Sequence[str], x: Scale, y: Scale, aside: float) -> None:
    line = []
    for i, place in enumerate(places):
        seeds = profile.values.get(place, {})
        for index, value in seeds.items():
            drawing.dot((x(i) + aside, y(value)), 3.0, f"seed {profile.css}", f"{profile.arm} seed {index}, {place}")
        if seeds:
            line.append((x(i) + aside, y(sum(seeds.values()) / len(seeds))))
    if len(line) > 1:
        drawing.path(line, f"curve {profile.css}", f"{profile.arm}, mean of its seeds")

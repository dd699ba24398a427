"""Learning curves of all seeds of an arm as one: the mean at each step, and from the lowest to the highest run."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bertft_core.report.drawings.lines import Line, line_plot
from bertft_core.report.drawings.look import number
from bertft_core.report.drawings.picture import Picture, picture
from bertft_core.report.drawings.ranges import Point
from bertft_core.report.formatting.numbers import score
from bertft_core.report.prose import picture_text

MOST_APART = 2.0
"""The longest arm in shortest ones; beyond it the shorter could not be read."""


@dataclass(frozen=True)
class ArmCurves:
    """The curves of one arm, one for each run."""

    arm: str
    place: int
    """In the study: it says the colour."""
    curves: Sequence[Sequence[Point]]
    length: float | None = None
    """Of the longest run, where the last point of a curve that was thinned lies before it."""


@dataclass(frozen=True)
class BandPoint:
    """All runs at one step."""

    x: float
    mean: float
    low: float
    high: float
    n: int
    """Runs that got that far."""


def band_of(curves: Sequence[Sequence[Point]]) -> list[BandPoint]:
    """Mean, minimum and maximum at every x that at least half of the runs have; fewer would tell of the long runs alone."""
    values: dict[float, list[float]] = defaultdict(list)
    for curve in curves:
        for x, y in curve:
            values[round(x, 6)].append(y)
    least = len(curves) / 2
    return [
        BandPoint(x, sum(found) / len(found), min(found), max(found), len(found))
        for x, found in sorted(values.items())
        if len(found) >= least
    ]


def band_plot(arms: Sequence[ArmCurves], labels: tuple[str, str]) -> Picture | None:
    """Every arm's band in one picture; None where no arm has two runs with a curve.

    Arms that are trained for very different times are drawn over the share of their training.
    """
    bands = _bands(arms, fewest=2)
    if not bands:
        return None
    lengths = {arm.arm: arm.length for arm in arms}
    ends = {name: lengths[name] or band[-1].x for name, (_, band) in bands.items()}
    as_share = max(ends.values()) > MOST_APART * min(ends.values())
    lines = [_line(name, place, band, 100 / ends[name] if as_share else 1.0) for name, (place, band) in bands.items()]
    if not as_share:
        return picture(line_plot, lines, labels)
    written = ", ".join(f"{name} {number(end)}" for name, end in ends.items())
    return picture(line_plot, lines, (f"% of the training ({labels[0]}s: {written})", labels[1]), x_range=(0.0, 102.0))


def curves_plot(arms: Sequence[ArmCurves], labels: tuple[str, str]) -> Picture:
    """The same of all arms, also of those with one run, over what they share."""
    lines = [_line(name, place, band, 1.0) for name, (place, band) in _bands(arms, fewest=1).items()]
    return picture(line_plot, lines, labels)


def _bands(arms: Sequence[ArmCurves], fewest: int) -> dict[str, tuple[int, list[BandPoint]]]:
    """Of the arms with so many runs that have a curve of so many points."""
    found = {arm.arm: (arm.place, [curve for curve in arm.curves if curve]) for arm in arms}
    bands = {name: (place, band_of(curves)) for name, (place, curves) in found.items() if len(curves) >= fewest}
    return {name: (place, band) for name, (place, band) in bands.items() if len(band) >= fewest}


def _line(name: str, place: int, band: Sequence[BandPoint], stretch: float) -> Line:
    last = band[-1]
    ends = {"mean": score(last.mean), "low": score(last.low), "high": score(last.high)}
    title = picture_text.said("band", arm=name, n=last.n, **ends)
    points = [(point.x * stretch, point.mean) for point in band]
    return Line(name, place, points, [point.low for point in band], [point.high for point in band], title)

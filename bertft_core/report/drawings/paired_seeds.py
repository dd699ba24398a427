"""Seed by seed, an arm beside the baseline: a line from one score to the other, in the colour of the better arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bertft_core.report.formatting.numbers import score, shortened
from bertft_core.report.svg import Drawing, Scale, padded, vertical_axis

LEFT, TOP, BOTTOM, PANEL, WIDTH = 70, 34, 250, 190, 110
LONGEST_NAME = 12


@dataclass(frozen=True)
class PairedSeeds:
    """The scores of two arms by seed, and the class of each arm's colour."""

    arm: str
    baseline: str
    scores: Mapping[int, tuple[float, float]]
    """Seed → score of the baseline, score of the arm."""
    css: tuple[str, str]
    """Of the baseline, of the arm."""


def paired_seeds_plot(pairs: Sequence[PairedSeeds], label: str, spoken: str, *, maximize: bool) -> Markup:
    """One panel for each pair, all on the same scale; `spoken` is read aloud in place of the picture."""
    y = Scale(*padded([value for pair in pairs for both in pair.scores.values() for value in both]), BOTTOM, TOP)
    drawing = Drawing(LEFT + PANEL * len(pairs), BOTTOM + 34, f"{label}. {spoken}")
    vertical_axis(drawing, y, LEFT, label, LEFT + PANEL * (len(pairs) - 1) + WIDTH + 20)
    for i, pair in enumerate(pairs):
        sides = (LEFT + 20 + PANEL * i, LEFT + 20 + PANEL * i + WIDTH - 20)
        for side, name in zip(sides, (pair.baseline, pair.arm), strict=True):
            drawing.text((side, BOTTOM + 22), shortened(name, LONGEST_NAME), "name middle")
        for seed, both in pair.scores.items():
            _line(drawing, pair, seed, both, [(side, y(value)) for side, value in zip(sides, both, strict=True)], maximize)
    return drawing.svg()


def _line(
    drawing: Drawing, pair: PairedSeeds, seed: int, both: tuple[float, float], at: list[tuple[float, float]], maximize: bool
) -> None:
    arm_is_better = (both[1] > both[0]) == maximize
    title = f"seed {seed}: {pair.baseline} {score(both[0])}, {pair.arm} {score(both[1])}"
    drawing.path(at, f"curve thick {pair.css[1 if arm_is_better else 0] if both[0] != both[1] else 'tick'}", title)
    for place, css in zip(at, pair.css, strict=True):
        drawing.dot(place, 3.5, f"seed {css}", title)

"""Seed by seed, an arm beside the baseline: a line from one score to the other, in the colour of the better arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.ranges import padded
from bertft_core.report.drawings.sheet import Margins, Sheet, drawing, new_sheet
from bertft_core.report.formatting.numbers import score, shortened

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

MARGINS, HEIGHT = Margins(70, 34, 10, 34), 216
PANEL, APART = 180, 90
"""Units: of a pair, and between its two arms."""
LONGEST_NAME = 12


@dataclass(frozen=True)
class PairedSeeds:
    """The scores of two arms by seed, and the colour of each arm."""

    arm: str
    baseline: str
    scores: Mapping[int, tuple[float, float]]
    """Seed → score of the baseline, score of the arm."""
    css: tuple[str, str]
    """Of the baseline, of the arm."""


@drawing
def paired_seeds_plot(pairs: Sequence[PairedSeeds], label: str, spoken: str, *, maximize: bool, look: Look = PAGE) -> StudyFigure:
    """One panel for each pair, all on the same scale; `spoken` is read aloud in place of the picture."""
    panel = min(PANEL, int(look.width - MARGINS.left - MARGINS.right) // len(pairs)) if look.narrow else PANEL
    width = panel * len(pairs)
    size = (MARGINS.left + width + MARGINS.right, MARGINS.top + HEIGHT + MARGINS.bottom)
    sheet = new_sheet(look, size, MARGINS, f"{label}. {spoken}")
    heights = padded([value for pair in pairs for both in pair.scores.values() for value in both])
    sheet.axes.set(xlim=(0, width), ylim=heights)
    sheet.number_y(label)
    apart, longest = panel * APART / PANEL, LONGEST_NAME * panel // PANEL
    for i, pair in enumerate(pairs):
        sides = (panel * (i + 0.5) - apart / 2 - 5, panel * (i + 0.5) + apart / 2 - 5)
        for side, name in zip(sides, (pair.baseline, pair.arm), strict=True):
            up = sheet.axes.get_xaxis_transform()
            sheet.words((side, 0), shortened(name, longest), "name", "center", aside=(0, -22), of=up)
        titles = [_line(sheet, pair, seed, both, sides, maximize) for seed, both in pair.scores.items()]
        for side, values, css in zip(sides, zip(*pair.scores.values(), strict=True), pair.css, strict=True):
            sheet.dots([side] * len(values), values, css, titles, radius=3.5)  # at once: each call costs a millisecond
    return sheet.figure


def _line(
    sheet: Sheet, pair: PairedSeeds, seed: int, both: tuple[float, float], sides: tuple[float, float], maximize: bool
) -> str:
    """Draw the line of one seed; what it is called."""
    arm_is_better = (both[1] > both[0]) == maximize
    title = f"seed {seed}: {pair.baseline} {score(both[0])}, {pair.arm} {score(both[1])}"
    colour = pair.css[1 if arm_is_better else 0] if both[0] != both[1] else "soft"
    sheet.line(sides, both, colour, 2.2, f"curve {colour}", title)
    return title

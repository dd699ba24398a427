"""How figures look: the page's palette, sizes of text, and the width that a figure is made for. Loads no matplotlib."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

STYLE_SHEET = Path(__file__).parents[1] / "templates" / "style.css"
N_COLOURS = 8
INCH = 72.0
"""Points."""
FONTS = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
"""Of a file of its own; inside a page text has the page's font."""


@dataclass(frozen=True)
class Look:
    """The size of a figure: `width` in units, which are CSS pixels on the page, and how many points one is."""

    width: int
    points: float = 1.0

    @property
    def narrow(self) -> bool:
        """No room for words beside the picture: they are put above or below."""
        return self.width < 600


PAGE = Look(860)
PHONE = Look(350)
"""What a page is wide on a phone."""
NOTEBOOK = Look(700, 7.0 * INCH / 700)
"""Seven inches wide."""
COLUMN = Look(396, 3.3 * INCH / 396)
"""A column of a paper, 3.3 inches; its smallest text has 6.9 points."""


class Kind(NamedTuple):
    """Words of one kind."""

    size: float
    """Units."""
    colour: str
    bold: bool = False


KINDS = {
    "tick": Kind(11.5, "soft"),
    "label": Kind(12.5, "soft"),
    "name": Kind(13.0, "ink"),
    "arm": Kind(14.0, "ink"),
    "on": Kind(13.0, "ink", bold=True),
}
DASHES = ("solid", (0, (9, 4)), (0, (2, 4)), (0, (10, 4, 2, 4)))
"""So that lines can be distinguished in black and white."""


@cache
def palette() -> dict[str, str]:
    """Name of a colour → '#rrggbb' in the light scheme, from the page's style sheet."""
    light = STYLE_SHEET.read_text(encoding="utf-8").split("@media", 1)[0]
    found = re.findall(r"--(\w+):\s*(#[0-9a-f]{6}|\d+, \d+, \d+);", light)
    return {
        name: value if value[0] == "#" else "#{:02x}{:02x}{:02x}".format(*map(int, value.split(","))) for name, value in found
    }


def of_place(position: int) -> str:
    """The colour of an arm by its place in the study."""
    return f"c{position % N_COLOURS}"


@cache
def variables() -> dict[str, str]:
    """'#rrggbb' → the page's variable, which has another value in the dark scheme."""
    names = {value: name for name, value in reversed(palette().items())}
    return {value: f"rgb(var(--{name}))" if name in ("shade", "against") else f"var(--{name})" for value, name in names.items()}


def number(value: float) -> str:
    """A tick label: as short as possible."""
    return f"{value + 0.0:.6g}".replace("-", "−")

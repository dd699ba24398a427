"""A matplotlib figure that becomes part of a page, a file for a paper, or a picture in a notebook."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from bertft_core.control_characters import visible
from bertft_core.report.drawings import look as looks
from bertft_core.report.drawings.svg_renderer import SvgRenderer

DPI = 150
"""Of a picture in a notebook."""
SETTINGS = {
    "axes.axisbelow": True,
    "axes.edgecolor": "none",
    "axes.formatter.useoffset": False,
    "font.family": ["DejaVu Sans"],
    "lines.scale_dashes": False,
    "path.simplify": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "bertft",
    "text.parse_math": False,
    "ytick.alignment": "center",
}


def settings() -> AbstractContextManager[None]:
    """Ours for a while, whatever the user's own are: the same numbers give the same picture."""
    now, wanted = dict(dict.items(matplotlib.rcParams)), _settings()
    return matplotlib.rc_context({name: value for name, value in wanted.items() if now[name] != value})  # each is checked


@cache
def _settings() -> Any:
    usual = {name: value for name, value in dict.items(matplotlib.rcParamsDefault) if not name.startswith("backend")}
    return usual | SETTINGS


class StudyFigure(Figure):
    """What is read aloud of it, and the words of its marks; a notebook shows it whether or not pyplot is loaded."""

    def __init__(self, size: tuple[float, float], alt: str) -> None:
        super().__init__(figsize=(size[0] / looks.INCH, size[1] / looks.INCH), dpi=looks.INCH, facecolor="white")
        self.alt, self.titles = alt, dict[str, Sequence[str]]()

    def svg(self) -> Markup:
        """As one element of a page, whose colours and font it takes."""
        width, height = (float(side) * looks.INCH for side in self.get_size_inches())
        renderer = SvgRenderer((width, height), self.titles, looks.variables())
        self.patch.set_visible(False)
        with settings():
            self.draw(renderer)
        self.patch.set_visible(True)
        size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        return Markup(visible(f'<svg {size} role="img" aria-label="{escape(self.alt)}">{renderer.text()}</svg>'))

    def pdf(self) -> bytes:
        """One page of the figure's size, its letters embedded; the same for the same figure. Cutting the fonts takes 0.4 s."""
        return self._file("pdf", metadata={"CreationDate": None})

    def _file(self, kind: str, **options: Any) -> bytes:
        held = io.BytesIO()
        with settings(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # it is drawn as a box
            self.savefig(held, format=kind, **options)
        return held.getvalue()

    def _repr_png_(self) -> bytes:
        return self._file("png", dpi=DPI)

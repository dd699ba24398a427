"""A matplotlib renderer that writes small SVG for pages: text as text, colours as variables, the words of a mark as its title.

matplotlib's own writes colours as numbers, each dot as a reference to a definition, and three times the bytes. The same figure
gives the same bytes: there are no ids, dates or clip paths, and no font of the machine is asked for its metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import escape
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.colors import to_hex
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Transform

LETTER, CAPITAL = 0.56, 0.72
"""Width and height of a letter in font sizes, for places only: the reader's font is not known."""
CIRCLE: Any = Path.unit_circle().codes
ANCHORS = {"center": "middle", "right": "end"}


class SvgRenderer(RendererBase):
    """Draw a figure of 72 dots per inch with it, then take `text()`; `titles` are the words of the marks by the artist's gid.

    A gid is a class of the shapes, with anything that makes it unique after a '#'.
    """

    def __init__(self, size: tuple[float, float], titles: Mapping[str, Sequence[str]], colours: Mapping[str, str]) -> None:
        super().__init__()
        self._size, self._titles, self._colours = size, titles, colours
        self._gids: list[str] = []
        self._said: Iterator[str] = iter(())
        self._style, self._written = "", list[str]()
        self._down = Affine2D().scale(1, -1).translate(0, size[1])

    def text(self) -> str:
        """Everything that was drawn."""
        return "".join(self._written) + ("</g>" if self._style else "")

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self._size

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        size = prop.get_size_in_points()
        return LETTER * size * len(s), CAPITAL * size, 0.0

    def open_group(self, s: str, gid: str | None = None) -> None:
        self._gids.append(gid or "")
        self._said = iter(self._titles.get(gid or "", ()))

    def close_group(self, s: str) -> None:
        if self._gids:  # matplotlib closes some that it has not opened
            self._gids.pop()

    def draw_path(self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None) -> None:
        points = (transform + self._down).transform(path.vertices)
        if _is_circle(path):
            low, high = points.min(axis=0), points.max(axis=0)
            self._dot(gc, (low + high) / 2, (high[0] - low[0]) / 2, rgbFace)
        else:
            self._put(self._look(gc, rgbFace), *_shape(points, path.codes))

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,
    ) -> None:
        if not _is_circle(marker_path):
            super().draw_markers(gc, marker_path, marker_trans, path, trans, rgbFace)
            return
        radius = np.ptp(marker_trans.transform(marker_path.vertices)[:, 0]) / 2
        for place in (trans + self._down).transform(path.vertices):
            self._dot(gc, place, radius, rgbFace)

    def draw_text(
        self, gc: GraphicsContextBase, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
    ) -> None:
        size, align = prop.get_size_in_points(), "left" if mtext is None else mtext.get_horizontalalignment()
        x += {"left": 0.0, "center": 0.5, "right": 1.0}[align] * LETTER * size * len(s)
        bold = ' font-weight="650"' if prop.get_weight() == "bold" else ""
        anchor = f' text-anchor="{ANCHORS[align]}"' if align in ANCHORS else ""
        fill, _ = self._colour(gc.get_rgb())
        style = f' font-size="{_short(size)}"{bold}{anchor} fill="{fill}"'
        self._put(style, f'<text x="{_px(x)}" y="{_px(y)}">{escape(s)}', "text")

    def _dot(self, gc: GraphicsContextBase, place: Any, radius: float, face: Any) -> None:
        shape = f'<circle cx="{_px(place[0])}" cy="{_px(place[1])}" r="{_short(radius)}"'
        self._put(self._look(gc, face), shape, "circle")

    def _put(self, style: str, shape: str, tag: str) -> None:
        """Shapes of one look share a group."""
        name = next((gid for gid in reversed(self._gids) if gid), "").partition("#")[0]
        look = f'<g class="{escape(name)}"{style}>' if name else f"<g{style}>"
        if look != self._style:
            self._written.append(("</g>" if self._style else "") + look)
            self._style = look
        title = "" if tag == "text" else next(self._said, "")
        end = f"<title>{escape(title)}</title></{tag}>" if title else "/>"
        self._written.append(shape + ("</text>" if tag == "text" else end if not title else ">" + end))

    def _look(self, gc: GraphicsContextBase, face: Any) -> str:
        """The attributes that say how a shape is filled and stroked."""
        forced = gc.get_alpha() if gc.get_forced_alpha() else None
        fill, seen = ("none", 1.0) if face is None else self._colour(face, forced)
        look = f' fill="{fill}"' + _unless(seen, 1.0, "fill-opacity")
        stroke, seen = self._colour(gc.get_rgb(), forced)
        if not gc.get_linewidth() or not seen:
            return look
        dashes: Any = gc.get_dashes()[1]
        look += f' stroke="{stroke}"' + _unless(gc.get_linewidth(), 1.0, "stroke-width") + _unless(seen, 1.0, "stroke-opacity")
        look += f' stroke-dasharray="{" ".join(map(_short, dashes))}"' if dashes else ""
        return look + (' stroke-linecap="round"' if gc.get_capstyle() == "round" else "")

    def _colour(self, rgba: Any, forced: float | None = None) -> tuple[str, float]:
        """A colour of the page and its opacity."""
        name = to_hex(rgba)
        opacity = forced if forced is not None else float(rgba[3]) if len(rgba) > 3 else 1.0
        return ("none" if opacity == 0 else self._colours.get(name, name)), opacity


def _shape(points: Any, codes: Any) -> tuple[str, str]:
    """The beginning of an element and its tag: a line, a rectangle, or a path of straight and curved pieces."""
    if codes is None and len(points) == 2:
        (x1, y1), (x2, y2) = points
        return f'<line x1="{_px(x1)}" y1="{_px(y1)}" x2="{_px(x2)}" y2="{_px(y2)}"', "line"
    if len(points) == 5 and codes is not None and codes[-1] == Path.CLOSEPOLY and _is_upright(points):
        (x, y), (right, bottom) = points[:4].min(axis=0), points[:4].max(axis=0)
        return f'<rect x="{_px(x)}" y="{_px(y)}" width="{_px(right - x)}" height="{_px(bottom - y)}"', "rect"
    return f'<path d="{_path(points, codes)}"', "path"


def _is_circle(path: Path) -> bool:
    codes: Any = path.codes
    return codes is not None and np.array_equal(codes, CIRCLE)


def _is_upright(points: Any) -> bool:
    """Its sides are as the axes'."""
    return all(np.isclose(points[i], points[i + 1], atol=1e-6).any() for i in range(3))


LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}


def _path(points: Any, codes: Any) -> str:
    """SVG's path data; what is not finite leaves a gap."""
    written, before = list[str](), ""
    places = [f"{_px(x)},{_px(y)}" for x, y in points.tolist()]
    kinds = [Path.MOVETO] + [Path.LINETO] * (len(points) - 1) if codes is None else codes
    for place, kind in zip(places, kinds, strict=True):
        if kind in (Path.CLOSEPOLY, Path.STOP):
            written.append("Z")
            before = "Z"
            continue
        if "n" in place:
            before = ""
            continue
        letter = "M" if before in ("", "Z") else LETTERS[kind]
        goes_on = letter != "M" and (letter == before or (before == "M" and letter == "L"))
        written.append(f"{' ' if goes_on else letter}{place}")
        before = letter
    return "".join(written)


def _px(value: float) -> str:
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def _short(value: float) -> str:
    return f"{value:.3g}"


def _unless(value: float, usual: float, name: str) -> str:
    return "" if value == usual else f' {name}="{_short(value)}"'

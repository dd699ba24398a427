"""A figure that is drawn when it is wanted, as wide as it is wanted; a template lays it out like any markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ParamSpec

from markupsafe import Markup, escape

from bertft_core.report.drawings.look import FONTS, PAGE, PHONE, Look, palette
from bertft_core.two_processes import in_two_processes

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

P = ParamSpec("P")
SIZE = re.compile(r'<svg viewBox="0 0 (\d+) (\d+)" width="\d+"')
MOST_FOR_PHONES = 100_000
"""Characters of a drawing from which on a page does not hold a second one."""
VARIABLE = re.compile(r'="(?:rgb\()?var\(--(\w+)\)\)?"')


@dataclass(frozen=True)
class Picture:
    """What to draw, and of what."""

    draw: Callable[..., StudyFigure]
    """Takes the look alone."""

    def figure(self, look: Look) -> StudyFigure:
        """A new one."""
        return self.draw(look=look)

    @cached_property
    def svg(self) -> Markup:
        """Of a page, in whose colours and font it is drawn."""
        return self.figure(PAGE).svg()

    def __html__(self) -> str:
        return self.html

    @cached_property
    def html(self) -> Markup:
        """For a page, which shows the drawing that its screen has room for; of one with very many marks only the wide one."""
        if _width(self.svg) <= PHONE.width or len(self.svg) > MOST_FOR_PHONES:
            return self.svg
        narrow = self.figure(PHONE).svg()
        return self.svg if _width(narrow) >= _width(self.svg) else _of_class("wide", self.svg) + _of_class("phone", narrow)


def _of_class(name: str, svg: Markup) -> Markup:
    return Markup(f'<svg class="{name}"') + svg[len("<svg") :]


def _width(svg: str) -> int:
    size = SIZE.match(svg)
    assert size is not None
    return int(size[1])


def picture(drawing: Callable[P, StudyFigure], *args: P.args, **options: P.kwargs) -> Picture:
    """A call of one of our drawing functions, for later."""
    return Picture(partial(drawing, *args, **options))


def draw_ahead(values: Any) -> None:
    """Draw the pictures that are anywhere among the values of a template, before it lays them out one after the other."""
    pictures = list({id(found): found for found in _pictures_in(values)}.values())
    drawn = in_two_processes(lambda one: [one.svg, one.html], pictures, json.dumps, json.loads)
    for one, (svg, page) in zip(pictures, drawn, strict=True):
        vars(one).update(svg=Markup(svg), html=Markup(page))


def _pictures_in(values: Any) -> Iterator[Picture]:
    if isinstance(values, Picture):
        yield values
    elif isinstance(values, Mapping):
        yield from chain.from_iterable(map(_pictures_in, values.values()))
    elif isinstance(values, list | tuple):
        yield from chain.from_iterable(map(_pictures_in, values))


def file_of(svg: Markup) -> str:
    """The text of a file: light, on white. Colours are written out: what makes PDF of SVG (Inkscape, rsvg) knows no variables."""
    light = VARIABLE.sub(lambda found: f'="{palette()[found[1]]}"', svg)
    size = r'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \1 \2" width="\1" height="\2"'
    opened, drawn = SIZE.sub(rf'{size} font-family="{escape(FONTS)}"', light, count=1).split(">", 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opened}><rect width="100%" height="100%" fill="#ffffff"/>{drawn}\n'

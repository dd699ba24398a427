"""The style of pages and of pictures that stand alone, from the style sheets beside the templates."""

import re
from functools import cache
from pathlib import Path

from markupsafe import Markup

from bertft_core.storage.study_dir import write_atomically

TEMPLATES_DIR = Path(__file__).parent / "templates"
FONT = "text { font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif; }"


def page_style() -> Markup:
    """The style of a whole page, pictures included: our own files, no user text in them."""
    return Markup(_sheet("style.css") + _sheet("drawing.css"))


def page_script() -> Markup:
    """What makes a page handier where scripts run: our own file, no user text in it. Without it nothing is missing."""
    return Markup(_sheet("page.js"))


def standalone(picture: Markup) -> str:
    """An SVG of `bertft_core.report.svg` as the text of a file of its own: light, on white, with its style inside.

    Colours are written out, since the tools that make PDF of SVG (Inkscape, rsvg) know no CSS variables.
    """
    head, rest = str(picture).split(">", 1)
    width, height = re.findall(r'viewBox="0 0 (\d+) (\d+)"', head)[0]
    opened = head.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        f' width="{width}"', f' width="{width}" height="{height}"'
    )
    paper = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opened}>\n<style>\n{_light_drawing()}</style>\n{paper}{rest}\n'


def write_svg(path: Path, picture: Markup) -> Path:
    """Write a picture of a page as a file for papers; returns the path."""
    write_atomically(path, standalone(picture))
    return path


@cache
def _sheet(name: str) -> str:
    return (TEMPLATES_DIR / name).read_text(encoding="utf-8")


@cache
def _light_drawing() -> str:
    """The drawing's style with the values of the light page."""
    light = _sheet("style.css").split("@media", 1)[0]
    values = dict(re.findall(r"(--[a-z0-9]+):\s*([^;]+);", light))
    return FONT + "\n" + re.sub(r"var\((--[a-z0-9]+)\)", lambda found: values[found[1]], _sheet("drawing.css"))

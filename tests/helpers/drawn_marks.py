"""The shapes of a picture as a page has them: a group gives its class and its look to what is in it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any


def svg_of(picture: Any) -> str:
    """Of a figure or of a picture that draws one."""
    return str(picture.svg() if callable(picture.svg) else picture.svg)


def marks(picture: Any, tag: str, css: str | None = None) -> list[dict[str, str]]:
    """Attributes of the shapes of one kind whose class holds all words of `css`, with the words in them."""
    found = []
    for group in ElementTree.fromstring(svg_of(picture)).iter("g"):
        for element in group.iter(tag):
            classes = group.get("class", "").split()
            if css is None or set(css.split()) <= set(classes):
                found.append(group.attrib | element.attrib | {"words": "".join(element.itertext())})
    return found


def points_of(path: dict[str, str]) -> list[tuple[float, ...]]:
    """Of a path or a line."""
    if "x1" in path:
        return [(float(path["x1"]), float(path["y1"])), (float(path["x2"]), float(path["y2"]))]
    return [tuple(map(float, point.split(","))) for point in re.findall(r"[-\d.]+,[-\d.]+", path["d"])]

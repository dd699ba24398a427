"""The style of pages and what makes them handier, from the files beside the templates."""

from functools import cache
from pathlib import Path

from markupsafe import Markup

TEMPLATES_DIR = Path(__file__).parent / "templates"


def page_style() -> Markup:
    """The style of a whole page: our own file, no user text in it."""
    return Markup(_file("style.css"))


def page_script() -> Markup:
    """What makes a page handier where scripts run: our own file, no user text in it. Without it nothing is missing."""
    return Markup(_file("page.js"))


@cache
def _file(name: str) -> str:
    return (TEMPLATES_DIR / name).read_text(encoding="utf-8")

"""Writes a comparison of arms, of one study or of several, as a folder that can be read alone."""

from __future__ import annotations

from pathlib import Path

import jinja2

from bertft_core.records.comparison import COMPARISON_FILE, Comparison
from bertft_core.records.store import write_atomically, write_record
from bertft_core.report import wording
from bertft_core.report.styling import TEMPLATES_DIR, page_style


def write_comparison(comparison: Comparison, directory: Path) -> Path:
    """Write comparison.html, comparison.json, tables/ and figures/ into `directory`; returns the path of comparison.html.

    comparison.html needs nothing beside it. The same comparison gives the same bytes.
    """
    write_record(directory / COMPARISON_FILE, comparison)
    loader = jinja2.FileSystemLoader(TEMPLATES_DIR)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    templates.filters |= {"score": wording.score}
    page = templates.get_template("comparison.html.j2").render(comparison=comparison, style=page_style())
    write_atomically(directory / "comparison.html", page)
    return directory / "comparison.html"

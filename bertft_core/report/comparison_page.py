"""Writes a comparison of arms, within one study or across several, as a self-contained folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertft_core.records.comparison_record import COMPARISON_FILE, Comparison
from bertft_core.report import arm_chips, comparison_section, paper_tables, table_formats
from bertft_core.report.drawings.look import COLUMN, of_place
from bertft_core.report.drawings.picture import Picture, file_of
from bertft_core.report.formatting import escapes, numbers
from bertft_core.report.prose.paper_captions import NO_SCORES
from bertft_core.report.styling import TEMPLATES_DIR, page_style
from bertft_core.report.table_formats import PaperTable, write_tables
from bertft_core.storage.study_dir import write_atomically, write_record


def write_comparison(comparison: Comparison, directory: Path, *, paper: bool = False) -> Path:
    """Write comparison.html, comparison.json, tables/ and figures/ into `directory`; returns the path of comparison.html.

    For a `paper` figures are as wide as its column, and PDF too.
    comparison.html is self-contained. The same comparison gives the same bytes.
    """
    scores = paper_tables.scores_of_comparison(comparison)
    tables = paper_tables.tables_of(scores, comparison.headline_key, comparison)
    arms = [arm.name for arm in comparison.arms]
    found = comparison_section.section(comparison, arms)
    templates = escapes.page_templates(TEMPLATES_DIR)
    page = templates.get_template("comparison_page.html.j2").render(
        compared=found,
        results=_results(comparison, tables),
        paper_tables=printed(tables),
        style=page_style(),
        standalone=True,
    )
    page = arm_chips.named(page, arms)
    write_record(directory / COMPARISON_FILE, comparison)
    write_tables(tables, directory / "tables")
    write_pictures(found["pictures"], directory / "figures", paper=paper)
    write_atomically(directory / "comparison.html", page)
    return directory / "comparison.html"


def printed(tables: Sequence[PaperTable]) -> list[dict[str, str]]:
    """The tables as text to copy."""
    return [{"name": t.name, "latex": table_formats.latex(t), "markdown": table_formats.markdown(t)} for t in tables]


def write_pictures(pictures: Mapping[str, Picture], directory: Path, *, paper: bool) -> list[Path]:
    """Write each picture as `<name>.svg`, for a `paper` as wide as its column, and as `<name>.pdf` too; returns the paths."""
    written = []
    for name, picture in pictures.items():
        figure = picture.figure(COLUMN) if paper else None
        files: dict[str, str | bytes] = {".svg": file_of(picture.svg if figure is None else figure.svg())}
        if figure is not None:
            files[".pdf"] = figure.pdf()
        for ending, content in files.items():
            written.append(directory / f"{name}{ending}")
            write_atomically(written[-1], content)
    return written


def _results(comparison: Comparison, tables: Sequence[PaperTable]) -> dict[str, Any]:
    """The table of results with the colour of each arm and the status of its runs; arms without a score are included."""
    table = next((found for found in tables if found.name == "results"), None)
    cells = {} if table is None else {row[0].words: row for row in table.rows}
    columns = [] if table is None else list(table.columns)
    rows = []
    for i, arm in enumerate(comparison.arms):
        absent = [table_formats.TableCell(arm.name), *[table_formats.TableCell(numbers.ABSENT) for _ in columns[1:]]]
        counts = ", ".join(f"{n} {status}" for status, n in arm.counts.items() if n)
        rows.append({"cells": cells.get(arm.name, absent), "css": of_place(i), "counts": counts})
    return {"columns": columns, "rows": rows, "caption": NO_SCORES if table is None else table.caption}

"""The optional sections of a study's report, present when their data are, and the files written beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertft_core.config.base import Frozen
from bertft_core.report import (
    comparison_section,
    cost_section,
    figures,
    grid_section,
    insight_sections,
    label_section,
    learning_curve_section,
    map_section,
    model_selection_section,
    paper_tables,
)
from bertft_core.report.comparison_page import printed, write_pictures
from bertft_core.report.drawings.picture import Picture
from bertft_core.report.prose.paper_checklist import Item, as_markdown, checklist
from bertft_core.report.prose.paper_text import setup_text
from bertft_core.report.references import references
from bertft_core.report.table_formats import PaperTable, write_tables
from bertft_core.storage.study_dir import read_record, write_atomically, write_record
from bertft_core.storage.study_results import StudyResults

WRITTEN_FILE = "report.files.json"
"""In the study's folder."""
TABLES, FIGURES, PAPER, REFERENCES = "tables", "figures", "paper.md", "references.bib"


class WrittenFiles(Frozen):
    """Tables and figures of the last report; whatever else is in their folders is the user's."""

    names: tuple[str, ...] = ()
    """Paths below the report's folder."""


@dataclass(frozen=True)
class Extras:
    """Sections, and the files beside the page."""

    context: Mapping[str, Any]
    """What the template lays out; None or empty without data."""
    pictures: Mapping[str, Picture]
    """Name of the file → picture."""
    tables: Sequence[PaperTable]
    sheets: Mapping[str, str]
    """Name of the file → CSV that is no table of a paper."""
    setup: Sequence[tuple[str, str]]
    items: Sequence[Item]
    references: str
    """BibTeX."""


def gather(results: StudyResults) -> Extras:
    """Everything that the records give."""
    summary = results.summary
    arms = [arm.arm for arm in summary.arms]
    comparison = summary.comparison
    compared = comparison is not None and (comparison.pairs or comparison.refused)
    said = comparison_section.section(comparison, arms) if comparison is not None and compared else None
    seen = insight_sections.section(summary.insights, arms) if summary.insights is not None else None
    cost, grids = cost_section.section(results), grid_section.section(results)
    sizes, labels = learning_curve_section.section(results), label_section.section(results)
    maps = map_section.section(results)
    selected = any(arm.selected is not None for arm in summary.arms)
    bands = {} if selected else figures.bands(results)
    reliability, every_seed = figures.reliability(results), figures.seed_plots(results)
    tables = paper_tables.tables_of(paper_tables.scores_of_summary(summary), summary.headline_key, comparison)
    setup, items = setup_text(results), checklist(results)
    context = {
        "compared": said,
        "insights": seen,
        "cost": cost,
        "grids": grids,
        "sizes": sizes,
        "labels": labels,
        "maps": maps["maps"],
        "selection": model_selection_section.section(summary),
        "bands": bands,
        "seed_plots": every_seed,
        "reliability": reliability,
        "paper_tables": printed(tables),
        "setup": setup,
        "checklist": items,
        "standalone": False,
    }
    pictures = {**bands, **{f"reliability_{arm}": picture for arm, picture in reliability}}
    for part in (said, seen, cost, grids, sizes, maps):
        pictures |= part["pictures"] if part is not None else {}
    pictures |= {"seeds": every_seed[0]} if every_seed else {}
    return Extras(context, pictures, tables, labels["sheets"] | maps["sheets"], setup, items, references(results))


def write_extras(extras: Extras, folder: Path, *, paper: bool) -> None:
    """Write tables, figures and the text for a paper; remove what an earlier report wrote and this one does not.

    Files of the user's in these folders stay. PDF figures that are there are drawn again, so that no paper shows old numbers.
    """
    known = folder.parent / WRITTEN_FILE
    before = read_record(known, WrittenFiles) or WrittenFiles()
    paper = paper or any(name.endswith(".pdf") and (folder / name).exists() for name in before.names)
    written = [*write_tables(extras.tables, folder / TABLES), *write_pictures(extras.pictures, folder / FIGURES, paper=paper)]
    for name, text in extras.sheets.items():
        written.append(folder / TABLES / f"{name}.csv")
        write_atomically(written[-1], text)
    write_atomically(folder / PAPER, as_markdown(extras.setup, extras.items))
    write_atomically(folder / REFERENCES, extras.references)
    names = sorted(path.relative_to(folder).as_posix() for path in written)
    for name in set(before.names).difference(names):
        (folder / name).unlink(missing_ok=True)
    write_record(known, WrittenFiles(names=tuple(names)))

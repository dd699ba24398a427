"""Writes the report's folder; the same records give the same bytes."""

import functools
import html
import re
import shlex
from pathlib import Path

import jinja2
import pandas as pd

from bertft_core.config.addresses import without_password
from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.evaluation import frames
from bertft_core.report import answer_section, arm_chips, figures, probe_section, reproducibility_section, table_sections
from bertft_core.report.drawings.picture import draw_ahead
from bertft_core.report.formatting import escapes, intervals, numbers
from bertft_core.report.prose import (
    data_card_text,
    data_findings_text,
    grammar,
    run_words,
    split_designs_text,
    study_question,
    variance_text,
)
from bertft_core.report.report_seal import seal_report, sealed_summary
from bertft_core.report.run_links import run_links_of, with_run_links
from bertft_core.report.statistics_sections import Extras, gather, write_extras
from bertft_core.report.study_as_yaml import study_yaml
from bertft_core.report.styling import page_script, page_style
from bertft_core.storage.study_dir import write_atomically, write_record
from bertft_core.storage.study_results import StudyResults

TEMPLATES_DIR = Path(__file__).parent / "templates"
PART = re.compile(r'<details class="part" id="(\w+)"[^>]*>\s*<summary><h2>(.*?)</h2>')


def write_report(results: StudyResults, *, paper: bool = False) -> Path:
    """Write report.html, runs.csv, summary.json, study.yaml, paper.md, references.bib, tables/ and figures/.

    Returns the path of report.html, which keeps the links to MLflow of the one before. `results` are evaluated; records that
    neither the summary nor a sweep names are ignored. report.html needs nothing beside it: style and pictures are inside.
    For a `paper` figures/ has PDF files too.
    """
    folder, extras = results.study_dir.report_dir, gather(results)
    write_record(folder / "summary.json", results.summary)  # it and the table take memory that the figures have afterwards
    write_atomically(folder / "runs.csv", _for_csv(frames.runs(results)).to_csv(index=False, lineterminator="\n"))
    page = _page(results, extras)
    write_atomically(folder / "study.yaml", study_yaml(results.study.shareable))
    write_extras(extras, folder, paper=paper)
    path = folder / "report.html"
    write_atomically(path, with_run_links(page, run_links_of(path)))
    return path


def write_report_once(results: StudyResults) -> Path:
    """As `write_report`; nothing is written where the report on disk was made of the same records by the same code."""
    if sealed_summary(results) is None:
        write_report(results)
        seal_report(results)
    return results.study_dir.report_dir / "report.html"


def _for_csv(table: pd.DataFrame) -> pd.DataFrame:
    texts = {
        str(name): column.map(escapes.csv_cell, na_action="ignore") for name, column in table.items() if column.dtype == "str"
    }
    return table.assign(**texts)


@functools.cache  # compiled once in a process
def _page_template() -> jinja2.Template:
    templates = escapes.page_templates(TEMPLATES_DIR)
    templates.filters |= {"score": numbers.score, "setting": numbers.setting, "duration": numbers.duration}
    templates.filters |= {"sentence": grammar.as_sentence, "ended": grammar.ended}
    templates.filters |= {"origin": data_card_text.origin, "finding_text": data_findings_text.finding_text}
    templates.filters |= {"named_parts": named_parts}
    templates.globals |= {"interval": intervals.interval, "absent": numbers.ABSENT}
    return templates.get_template("report.html.j2")


def _page(results: StudyResults, extras: Extras) -> str:
    study, card, summary, records, study_dir = results.study, results.card, results.summary, results.records, results.study_dir
    config_path = (study_dir.report_dir / "study.yaml").resolve()
    command = ["bertft", "run", str(config_path), "--home", str(study_dir.home_dir.resolve())]
    context = dict(
        study=study,
        card=card,
        summary=summary,
        style=page_style(),
        of_splits=split_designs_text.of_card(card) if card.draws else None,
        question=study_question.question(results.decided.study, results.decided.card, summary),
        arms=table_sections.arms(results),
        config=without_password(study_yaml(study)),
        answer=answer_section.section(results),
        script=page_script(),
        results=table_sections.results(summary),
        nondeterminism=[variance_text.nondeterminism(floor, summary) for floor in summary.floors],
        drawn=results.study.seeds.splits is not None,
        crossed=design.crossed if isinstance(design := results.study.seeds.design, CrossedDesign) else None,
        unit=run_words.unit(results.study),
        runs=table_sections.runs(results),
        validation_curves=figures.validation_curves(results),
        loss_curves=figures.loss_curves(results),
        confusions=table_sections.confusion_tables(results),
        probes=probe_section.section(results),
        searches=table_sections.searches(results),
        troubled=table_sections.troubled(results),
        dropped=table_sections.dropped_models(results),
        proved=reproducibility_section.section(summary, records, study_dir),
        machines=table_sections.machines(results),
        environment=results.environment,
        command=shlex.join(command),
        **extras.context,
    )
    draw_ahead(context)
    page = _page_template().render(context)
    return arm_chips.named(page, [arm.arm for arm in summary.arms])


def named_parts(page: str) -> list[tuple[str, str]]:
    """The parts of a page that are folded, by id and title, in their order."""
    return [(name, html.unescape(title)) for name, title in PART.findall(page)]

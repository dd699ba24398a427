"""Writes the report's folder; the same records give the same bytes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import jinja2

from bertft_core.config.study_config import StudyConfig
from bertft_core.records import DatasetCard, Environment, RunRecord, StudySummary, SweepResult
from bertft_core.report import figures, probe_section, reproducibility_section, table_sections
from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.paper_text import PaperStudy
from bertft_core.report.prose import grammar, study_text
from bertft_core.report.runs_csv import runs_csv
from bertft_core.report.statistics_sections import Extras, gather, write_extras
from bertft_core.report.study_as_yaml import study_yaml
from bertft_core.report.styling import page_style
from bertft_core.storage import StudyDir
from bertft_core.storage.study_dir import write_atomically, write_record

TEMPLATES_DIR = Path(__file__).parent / "templates"


def write_report(
    study: StudyConfig,
    card: DatasetCard,
    summary: StudySummary,
    records: Sequence[RunRecord],
    sweeps: Sequence[SweepResult],
    *,
    study_dir: StudyDir,
    environment: Environment | None,
) -> Path:
    """Write report.html, runs.csv, summary.json, study.yaml, paper.md, tables/ and figures/; returns the path of report.html.

    `records` are those of the study, search runs included; any that neither the summary nor a sweep names are ignored.
    report.html needs nothing beside it: style and pictures are inside.
    """
    folder, by_digest = study_dir.report_dir, {record.digest: record for record in records}
    told = PaperStudy(study, card, summary, by_digest, sweeps, environment)
    extras = gather(told, study_dir)
    page = _page(told, study_dir, extras)
    write_record(folder / "summary.json", summary)
    write_atomically(folder / "runs.csv", runs_csv(study, summary, by_digest))
    write_atomically(folder / "study.yaml", study_yaml(study))
    write_extras(extras, folder)
    write_atomically(folder / "report.html", page)
    return folder / "report.html"


def _page(told: PaperStudy, study_dir: StudyDir, extras: Extras) -> str:
    study, card, summary, records, sweeps = told.study, told.card, told.summary, told.records, told.sweeps
    loader = jinja2.FileSystemLoader(TEMPLATES_DIR)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    templates.filters |= {"score": numbers.score, "setting": numbers.setting, "duration": numbers.duration}
    templates.filters |= {"sentence": grammar.as_sentence, "ended": grammar.ended}
    templates.globals |= {"interval": intervals.interval, "absent": numbers.ABSENT}
    config_path = (study_dir.report_dir / "study.yaml").resolve()
    command = ["bertft", "run", str(config_path), "--home", str(study_dir.home_dir.resolve())]
    return templates.get_template("report.html.j2").render(
        study=study,
        card=card,
        summary=summary,
        style=page_style(),
        question=study_text.question(study, card, summary),
        arms=table_sections.arms(study, summary, records),
        config=study_yaml(study),
        sentences=study_text.sentences(summary),
        cautions=study_text.cautions(study, summary),
        not_counted=study_text.not_counted(summary),
        results=table_sections.results(summary),
        seed_plots=figures.seed_plots(study, card, summary),
        seeds=table_sections.seeds(summary, records),
        validation_curves=figures.validation_curves(study, summary, records),
        loss_curves=figures.loss_curves(summary, study_dir),
        confusions=table_sections.confusion_tables(summary, records, study_dir),
        probes=probe_section.section(study, summary, records),
        searches=table_sections.searches(sweeps, study_dir),
        troubled=table_sections.troubled(study, summary, sweeps, records),
        dropped=table_sections.dropped_models(summary, records),
        proved=reproducibility_section.section(summary, records, study_dir),
        machines=table_sections.machines(summary, records),
        environment=told.environment or next((r.environment for r in records.values() if r.environment), None),
        command=shlex.join(command),
        **extras.context,
    )

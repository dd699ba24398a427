"""`bertft show`, `diagnose`, `report` and `check-data`: what is there, without training anything."""

import gc
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.library.study_on_disk import StudyOnDisk, no_finished_runs
from bertft_core.records import StudySummary
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import read_record, write_record
from bertft_core.training.allocator import give_back
from bertft_core.training.devices import usable_cores
from bertft_core.two_processes import second_process
from flows.cli.command_to_paste import command_to_paste
from flows.cli.find_study import find_study, load_config
from flows.cli.terminal import detail, say, say_json


def check_data_command(config: Path, overrides: list[str], home: Path | None, *, as_json: bool = False) -> int:
    """Prepare the data and print its card."""
    from bertft_core.report.prose.data_card_text import card_text
    from bertft_core.training.trial_step import prepare_in_passing

    where = home_dir(home)
    card = prepare_in_passing(load_config(config, overrides, where), home_dir=where)
    if as_json:
        say_json(card.model_dump_json(indent=1))
    else:
        say(card_text(card))
    return 0


def show_command(name: str, home: Path | None, *, as_json: bool) -> int:
    """Print the stored summary."""
    from bertft_core.report.text_table import result_table

    found = find_study(name, home).intact(records_only=True)
    summary = read_record(found.dir.summary_path, StudySummary)
    if summary is None:
        raise UserError(
            f"the study '{found.study.name}' has not been evaluated yet",
            code="study.not-evaluated",
            path=found.dir.path,
            hint=f"run it to its end, or see: {command_to_paste('status', found.study.name, home=found.dir.home_dir)}",
        )
    if as_json:
        say_json(summary.model_dump_json(indent=1))
    else:
        say(result_table(summary))
    return 0


def diagnose_command(name: str, home: Path | None, *, as_json: bool) -> int:
    """Print every check's outcome, the worst first. Raises `UserError` when no report run has ended."""
    from bertft_core.evaluation.diagnosis.diagnose_study import diagnose
    from bertft_core.evaluation.summarize import evaluated
    from bertft_core.report.prose import diagnosis_text

    found = find_study(name, home).intact()
    results = found.results()
    if not any(spec.digest in results.records for spec in results.planned):
        raise no_finished_runs(found.dir)
    diagnoses = diagnose(evaluated(results, read_record(found.dir.summary_path, StudySummary)))
    if as_json:
        checks = [diagnosis_text.as_json(diagnosis) for diagnosis in diagnoses]
        say_json({"study": found.study.name, "checks": checks})
    else:
        say(diagnosis_text.describe(found.study.name, diagnoses))
    return 0


def report_command(name: str, home: Path | None, *, paper: bool = False, as_json: bool = False) -> int:
    """Evaluate the records that are there and write the report again."""
    found = find_study(name, home)
    path = rebuild_report(found.intact(but=[found.dir.summary_path]), paper=paper)
    if as_json:
        say_json({"study": found.study.name, "report": str(path), "summary": str(found.dir.summary_path)})
    else:
        say(path)
    return 0


def rebuild_report(found: StudyOnDisk, *, paper: bool = False) -> Path:
    """Evaluate what is on disk and write summary and report; the path of the report. Raises `UserError` without records."""
    from bertft_core.evaluation.summarize import evaluated

    results = found.results()
    detail(f"evaluating {len(results.records)} records of {found.dir.path}")
    gc.freeze()  # records and libraries stay: collecting what the evaluation leaves need not look at them
    with second_process(allowed=usable_cores() > 1):
        results = evaluated(results)
        give_back()  # what was resampled would stay beside the figures
        from bertft_core.report.report_seal import seal_report
        from bertft_core.report.study_report import write_report  # pandas takes 40 MiB, which the evaluation has given up by now

        gc.freeze()  # as above: each drawing leaves thousands of objects
        write_record(found.dir.summary_path, results.summary)
        path = write_report(results, paper=paper)
    seal_report(results)
    return path

"""`bertft run` with nothing left to do: that is found out from disk, before a server, MLflow or a worker is started."""

from bertft_core.config import StudyConfig
from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.records import DatasetCard, StudySummary
from bertft_core.report.report_seal import sealed_summary
from bertft_core.storage.damage import find_damage
from bertft_core.storage.study_dir import read_record
from bertft_core.training.trial_step import prepare_and_try
from flows.study_command import StudyCommand
from tasks.early_workers import looks_finished
from tasks.study_lock import held
from tasks.tracking.logged_completely import is_logged
from tasks.tracking.store_consistency import is_left_flow_run
from tasks.tracking.store_files import prefect_runs


def finished_summary(command: StudyCommand) -> StudySummary | None:
    """The summary on disk where all that the command asks for is there, as it would leave it; None where something is to be done.

    All that the flow would read is read: config, data, records and their files, searches, report, and the stores
    of the home. Data are read and checked as in every command; `command.card` keeps their card for the flow.
    Raises `UserError` for bad data, and when another command runs the study.
    """
    study, study_dir = command.study, command.dir
    if command.force or study.tracking.uri is not None or not looks_finished(study, study_dir):
        return None
    with held(study_dir):
        if read_record(study_dir.config_path, StudyConfig) != study.shareable or any(map(bool, find_damage(study_dir))):
            return None
        command.card = prepare_and_try(study, home_dir=command.home_dir, tell=command.progress.tell)
        if read_record(study_dir.card_path, DatasetCard) != command.card:
            return None
        return _summary(StudyOnDisk(study, study_dir, command.card))


def _summary(found: StudyOnDisk) -> StudySummary | None:
    """The summary of intact records of the data that the study has now."""
    asked = (*found.wanted.planned, *found.wanted.repeats)
    if found.wanted.unanswered(found.records) or any(found.records[spec.digest].status == "failed" for spec in asked):
        return None
    results = found.results()
    summary = sealed_summary(results)
    if summary is None or any(map(is_left_flow_run, prefect_runs(found.dir.home_dir, found.study.name))):
        return None
    logged = [found.records[spec.digest] for spec in asked] + results.search_runs
    return summary if is_logged(results.with_summary(summary), logged) else None

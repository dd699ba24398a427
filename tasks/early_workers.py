"""Workers started before their study's session, so that their imports overlap with the start of Prefect's server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.records import StudySummary
from bertft_core.records.compute import Compute
from bertft_core.storage.study_dir import StudyDir, read_record
from tasks.engines.engine import open_pool
from tasks.protocols import SlotPool


@contextmanager
def early_workers(study: StudyConfig, home_dir: Path, *, force: bool = False) -> Iterator[SlotPool | None]:
    """The workers of a study with something left to train, until the block ends; None for a finished one.

    Raises `UserError`, before anything is started, when this machine cannot do what the study needs.
    """
    study_dir = StudyDir(home_dir, study.name)
    if not force and looks_finished(study, study_dir):
        yield None
        return
    pool = open_pool(study, study_dir, force=force)
    try:
        yield pool
    finally:
        pool.close()


def looks_finished(study: StudyConfig, study_dir: StudyDir) -> bool:
    """The folder holds a summary of this very study, and its last command computed as this one is to."""
    summary, last = read_record(study_dir.summary_path, StudySummary), read_record(study_dir.config_path, StudyConfig)
    if last is not None and Compute.asked_by(last.execution, True) != Compute.asked_by(study.execution, True):
        return False
    return summary is not None and summary.study_digest == study.digest

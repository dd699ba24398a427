"""Workers started before their study's session, so that their imports overlap with the start of Prefect's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.records import StudySummary
from bertft_core.storage import StudyDir
from bertft_core.storage.study_dir import read_record
from bertft_core.training.devices import refuse_absent_gpu, slot_environments
from bertft_core.training.slots import Slots

_waiting: dict[Path, Slots] = {}
"""Study folder → workers that no session has taken yet."""


@contextmanager
def early_workers(study: StudyConfig, home_dir: Path, *, force: bool = False) -> Iterator[None]:
    """Start the workers of a study with something left to train; those that no session took end with the block.

    Raises `UserError`, before anything is started, when they could not have the device that the study names.
    """
    study_dir = StudyDir(home_dir, study.name)
    if force or not looks_finished(study, study_dir):
        refuse_absent_gpu(study.execution)
        _waiting[study_dir.path] = Slots(slot_environments(study.execution), study_dir.path / "logs")
    try:
        yield
    finally:
        left = take_workers(study_dir)
        if left is not None:
            left.close()


def take_workers(study_dir: StudyDir) -> Slots | None:
    """The workers that wait for this study, which are the caller's from now on; None when there are none."""
    return _waiting.pop(study_dir.path, None)


def looks_finished(study: StudyConfig, study_dir: StudyDir) -> bool:
    """The folder holds a summary of this very study."""
    summary = read_record(study_dir.summary_path, StudySummary)
    return summary is not None and summary.study_digest == study.digest

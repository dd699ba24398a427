"""Finding the study that a command names, with what the environment adds to it."""

from dataclasses import replace
from pathlib import Path

from bertft_core.library.study_on_disk import StudyOnDisk, open_study, study_dir_of
from tasks.process_environment import with_own_store


def find_study(name: str, home: Path | None) -> StudyOnDisk:
    """The study with this name in the home, or the one a config file describes. Raises `UserError` when there is none."""
    found = open_study(study_dir_of(name, home))
    return replace(found, study=with_own_store(found.study))

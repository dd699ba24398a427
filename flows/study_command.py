"""One command that runs a study: what it asks for, and what it has begun before the flow does. Imports no Prefect."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, load_study, parse_study
from bertft_core.records import DatasetCard
from bertft_core.storage.home_folder import made_home
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.compute_choice import remark_on_kept_device, with_device
from tasks.process_environment import home_dir, tracked
from tasks.progress import StudyProgress
from tasks.protocols import SlotPool
from tasks.study_lock import refuse_older


@dataclass
class StudyCommand:
    """A study to run or to continue."""

    study: StudyConfig
    home_dir: Path
    force: bool
    """Train again what is finished."""
    progress: StudyProgress = field(default_factory=StudyProgress)
    card: DatasetCard | None = None
    """Of the data, where they are prepared already."""
    workers: SlotPool | None = None
    """Started early; the caller ends them."""
    show: Callable[[StudyProgress], AbstractContextManager[None]] | None = None
    """Shows the progress in a terminal; without it, Prefect's log does."""

    @property
    def dir(self) -> StudyDir:
        return StudyDir(self.home_dir, self.study.name)


def read_study(config: str | dict[str, Any], overrides: list[str]) -> StudyConfig:
    """The study of a config, given by its path or as values. Raises `UserError`."""
    return tracked(load_study(config, overrides) if isinstance(config, str) else parse_study(config, overrides))


def read_command(config: str | dict[str, Any], overrides: list[str], home: str | Path | None, *, force: bool) -> StudyCommand:
    """The command for a config. Raises `UserError`, also for a study of an older version, or a home that cannot be made."""
    asked = read_study(config, overrides)
    command = StudyCommand(asked, made_home(home_dir(home)), force)
    refuse_older(command.dir, force=force)
    command.study = with_device(asked, command.dir, force=force)
    if (remark := remark_on_kept_device(asked, command.study)) is not None:
        command.progress.tell(remark)
    return command

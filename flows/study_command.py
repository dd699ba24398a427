"""One command that runs a study: what it asks for, and what it has begun before the flow does. Imports no Prefect."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, load_study, parse_study
from bertft_core.planning.plan_checks import refuse_unusable_plan
from bertft_core.records import DatasetCard
from bertft_core.storage.home_folder import home_dir, made_home
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.compute_choice import remark_on_kept_device, with_device
from tasks.early_runs import EarlyRuns
from tasks.preparation import prepare_beside
from tasks.process_environment import tracked
from tasks.progress import StudyProgress
from tasks.protocols import SlotPool
from tasks.study_lock import refuse_older
from tasks.study_session import Session


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
    early: EarlyRuns | None = None
    """Begun before the flow."""
    is_shown: bool = False
    """The progress is shown in a terminal, else in Prefect's log."""

    @cached_property
    def session(self) -> Session:
        """The execution of this command; a `with` block opens it, unless `begin` has."""
        return Session(self.study, self.home_dir, self.progress, force=self.force, workers=self.workers)

    def begin(self) -> None:
        """Prepare the data, open the session, and train the first runs where there are workers; the flow continues from there.

        Raises `UserError` for data or plans that cannot be trained on. Whatever happens then, the caller closes the session.
        """
        if self.card is None:
            self.card = prepare_beside(self.study, self.home_dir, self.workers, self.progress.tell)
        session = self.session.__enter__()
        refuse_unusable_plan(session.study, self.card)
        session.take(self.card)
        if self.workers is not None:
            self.progress.enter("seeds")
            self.early = EarlyRuns(session, self.card)
            self.early.begin_decided()

    @property
    def dir(self) -> StudyDir:
        return StudyDir(self.home_dir, self.study.name)


def read_study(config: str | dict[str, Any], overrides: Sequence[str]) -> StudyConfig:
    """The study of a config, given by its path or as values. Raises `UserError`."""
    return tracked(load_study(config, overrides) if isinstance(config, str) else parse_study(config, overrides))


def read_command(config: str | dict[str, Any], overrides: Sequence[str], home: str | Path | None, *, force: bool) -> StudyCommand:
    """The command for a config. Raises `UserError`, also for a study of an older version, or a home that cannot be made."""
    asked = read_study(config, overrides)
    command = StudyCommand(asked, made_home(home_dir(home)), force)
    refuse_older(command.dir, force=force)
    command.study = with_device(asked, command.dir, force=force)
    if (remark := remark_on_kept_device(asked, command.study)) is not None:
        command.progress.tell(remark)
    return command

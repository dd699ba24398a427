"""Who hears of a study's progress: the terminal, or Prefect's log; and Prefect's progress artifact in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from bertft_core.config import StudyConfig
from tasks.progress import Snapshot, StudyProgress
from tasks.write_report import artifact_key

CONSOLE: ContextVar[Callable[[StudyProgress], AbstractContextManager[None]] | None] = ContextVar("console", default=None)
"""Set by the command line: what shows the progress while the flow runs in this process."""


@contextmanager
def watched(study: StudyConfig, progress: StudyProgress) -> Iterator[None]:
    """Show the progress while the study runs."""
    artifact = create_progress_artifact(
        0.0, key=f"{artifact_key(study.name)}-progress", description=f"{study.name}: runs done of runs planned"
    )
    assert isinstance(artifact, UUID)
    progress.listeners.append(lambda snapshot: update_progress_artifact(artifact, _percent(snapshot)))
    show = CONSOLE.get()
    if show is None:
        logger = get_run_logger()
        progress.listeners.append(lambda snapshot: logger.info(snapshot.line()))
        yield
    else:
        with show(progress):
            yield
    update_progress_artifact(artifact, 100.0)


def _percent(snapshot: Snapshot) -> float:
    return 100.0 * min(1.0, snapshot.total_done / snapshot.total_planned) if snapshot.total_planned else 0.0

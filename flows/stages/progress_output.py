"""Where a study's progress is shown: in the terminal or in Prefect's log, and always in a Prefect progress artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from bertft_core.config import StudyConfig
from tasks.progress import Snapshot, StudyProgress
from tasks.write_report import artifact_key


@contextmanager
def watched(
    study: StudyConfig, progress: StudyProgress, show: Callable[[StudyProgress], AbstractContextManager[None]] | None
) -> Iterator[None]:
    """Show the progress while the study runs, with `show` where it is given."""
    artifact = create_progress_artifact(
        0.0, key=f"{artifact_key(study.name)}-progress", description=f"{study.name}: runs done of runs planned"
    )
    assert isinstance(artifact, UUID)

    def update(snapshot: Snapshot) -> None:
        update_progress_artifact(artifact, _percent(snapshot))

    progress.listeners.append(update)
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

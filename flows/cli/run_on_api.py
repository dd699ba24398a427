"""The flow called in this process with the progress in the terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from bertft_core.records import StudySummary
from flows.cli.console import shown
from flows.run_study import run_study
from flows.stages.progress_output import CONSOLE
from tasks.progress import StudyProgress


def run_on_api(config: str, overrides: list[str], home: str, *, force: bool) -> tuple[StudySummary, list[str]]:
    """The summary of the study, and what could not be logged."""
    seen: list[StudyProgress] = []

    def show(progress: StudyProgress) -> AbstractContextManager[None]:
        seen.append(progress)
        return shown(progress)

    token = CONSOLE.set(show)
    try:
        # each flow would wait a second for its heartbeat thread; this process is watched by the person who started it
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):  # type: ignore[dict-item]
            summary = run_study(config, overrides, home, force)
    finally:
        CONSOLE.reset(token)
    return summary, [problem for progress in seen for problem in progress.problems]

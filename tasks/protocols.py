"""What a task needs of a running study. Only `RunSpec` and `RunRecord` cross to where a run is carried out, so that another
engine can stand behind `SlotPool`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.records import DatasetCard, RunRecord, RunSpec, StudySummary
from bertft_core.training.slots import OnEvent


class RunWorker(Protocol):
    """Carries out one run at a time. Its methods raise `WorkerDied`, `RunFailed` or `UserError`."""

    def run(self, spec: RunSpec, run_dir: Path, on_event: OnEvent) -> None:
        """Train a run; returns when its record is written."""

    def probe(self, spec: RunSpec, run_dir: Path, probes: ProbesConfig) -> None:
        """Probe the model of a run; returns when its `probes.json` is written."""


class SlotPool(Protocol):
    """A fixed number of places where runs are carried out."""

    @property
    def n(self) -> int:
        """Runs at once."""

    def lease(self) -> AbstractContextManager[RunWorker]:
        """A worker for the block; waits for a free one."""


class RunLog(Protocol):
    """A log of runs beside the study's folder. Its methods return at once and never raise."""

    def run_of(self, spec: RunSpec) -> AbstractContextManager[OnEvent]:
        """A listener for the events of a run, for the block in which it trains."""

    def log_model(self, record: RunRecord) -> None:
        """The model of a run that is kept."""

    def drop_model(self, digest: str) -> None:
        """The model of a run was deleted."""


class StudyTracker(Protocol):
    """A log of a study beside its folder. Its methods return at once and never raise."""

    def log_data(self, card: DatasetCard) -> None:
        """The prepared data."""

    def log_study(self, summary: StudySummary, note: str) -> None:
        """Summary, report and result table."""


class RunStore(Protocol):
    """Where runs of earlier commands may be found when the study's folder has lost them."""

    def restore(self, digest: str, run_dir: Path) -> RunRecord | None:
        """Fetch a finished run into its folder; None if there is none."""

    def discard(self, digest: str) -> None:
        """Forget a run that is to be trained again."""


class Progress(Protocol):
    """Hears how far a study is."""

    def on_event(self, spec: RunSpec, event: dict[str, Any]) -> None:
        """A running run reports."""

    def tell(self, problem: str) -> None:
        """Something went wrong that the user should read."""

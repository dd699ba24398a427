"""What a task needs of a running study. Only `RunSpec` and `RunRecord` cross to where a run is carried out, so that another
engine can stand behind `SlotPool`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.records import RunRecord, RunSpec
from bertft_core.training.curve_file import OnEvent
from bertft_core.training.kernel_probe import KernelProbe


class RunWorker(Protocol):
    """Carries out one run at a time. Its methods raise `WorkerDied`, `RunFailed` or `UserError`."""

    def run(self, spec: RunSpec, run_dir: Path, on_event: OnEvent) -> None:
        """Train a run; returns when its record is written."""

    def probe(self, spec: RunSpec, run_dir: Path, probes: ProbesConfig) -> None:
        """Probe the model of a run; returns when its `probes.json` is written."""


class SlotPool(Protocol):
    """Places where runs are carried out. Its methods raise `SlotsClosing` after `close`, and `UserError`."""

    @property
    def n(self) -> int:
        """How many runs there are at once at most."""

    def lease(self) -> AbstractContextManager[RunWorker]:
        """A worker for the block; waits for a free one."""

    def probe_kernels(self, threads: int) -> KernelProbe:
        """What a worker has measured of its machine."""

    def listen(self, tell: Callable[[str | None], object]) -> None:
        """`tell` hears what runs wait for besides a free worker, in words, and None when they wait no more."""

    def close(self) -> None:
        """End every worker at once."""


class RunLog(Protocol):
    """A copy of the runs beside the study's folder, such as MLflow's. Its methods never raise."""

    def run_of(self, spec: RunSpec) -> AbstractContextManager[OnEvent]:
        """A listener for the events of a run, for the block in which it trains."""

    def log_model(self, record: RunRecord) -> None:
        """Log the model of a run that is kept."""

    def register_model(self, record: RunRecord, arm: str, claim: str) -> None:
        """Register the model of an arm's best run, with what is claimed of the arm."""

    def drop_model(self, digest: str) -> None:
        """Delete the model of a run."""

    def restore(self, digest: str, run_dir: Path) -> RunRecord | None:
        """Fetch a finished run into its folder; None if there is none."""

    def discard(self, digest: str) -> None:
        """Forget a run that is to be trained again."""


class Progress(Protocol):
    """Hears how far a study is."""

    def on_event(self, spec: RunSpec, event: dict[str, Any]) -> None:
        """A running run reports."""

"""What a search found."""

from typing import Literal

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if

Value = bool | int | float | str


class TrialRow(Frozen):
    """One trial of the search."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    params: dict[str, Value]
    score: float | None
    """Mean over the search seeds of the best validation metric; of the seeds run so far when pruned."""
    scores: tuple[float, ...] = ()
    run_digests: tuple[str, ...] = ()
    enqueued: bool = Field(False, exclude_if=left_out_if(False))
    """Its setting was given with the search, not suggested by the sampler."""


class PruningSavings(Frozen):
    """What pruning has saved, against the same trials with all their seeds trained to the end."""

    n_runs: int
    """Of all trials and seeds."""
    n_spared: int
    """Never trained: their trials got no further seed."""
    n_stopped: int
    """Stopped before their end."""
    n_steps: int
    """Optimizer steps of `n_runs` whole runs."""
    n_steps_saved: int


class SweepResult(Frozen):
    """The chosen setting of one arm and every trial behind it."""

    version: int = 1
    arm: str
    digest: str
    """Identity of the search: data, encoder, settings, space, seeds."""
    metric: str
    n_planned: int
    trials: tuple[TrialRow, ...]
    chosen: dict[str, Value]
    """The setting of the best complete trial."""
    best_trial: int
    best_score: float
    storage_path: str
    """Optuna journal file."""
    report_path: str | None = None
    """Optuna report, one self-contained HTML."""
    savings: PruningSavings | None = Field(None, exclude_if=left_out_if(None))
    """Absent without a pruner, in results of older versions, and where the record of a run is missing."""

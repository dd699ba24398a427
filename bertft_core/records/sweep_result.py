"""What a search found."""

from typing import Literal

from bertft_core.config.base import Frozen

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

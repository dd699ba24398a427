"""The report runs: every arm over the seeds of the study's design."""

from __future__ import annotations

from bertft_core.records import DatasetCard, RunRecord, RunSpec, SweepResult
from bertft_core.training.planning import plan_runs
from flows.stages.training import train_specs
from tasks.session import Session


def run_seeds(session: Session, card: DatasetCard, sweeps: dict[str, SweepResult]) -> tuple[list[RunSpec], dict[str, RunRecord]]:
    """The planned runs, and their records by digest."""
    planned = plan_runs(session.study, card, {arm: result.chosen for arm, result in sweeps.items()})
    return planned, train_specs(session, planned)

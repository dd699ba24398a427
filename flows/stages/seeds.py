"""The report runs: every arm over the seeds of the study's design."""

from __future__ import annotations

from bertft_core.records import DatasetCard, RunRecord, RunSpec, SweepResult
from bertft_core.training.planning import plan_repeats, plan_runs
from flows.stages.training import train_specs
from tasks.session import Session


def run_seeds(session: Session, card: DatasetCard, sweeps: dict[str, SweepResult]) -> tuple[list[RunSpec], dict[str, RunRecord]]:
    """The planned runs, and their records by digest; among the records those of repeats too."""
    chosen = {arm: result.chosen for arm, result in sweeps.items()}
    planned = plan_runs(session.study, card, chosen)
    return planned, train_specs(session, [*planned, *plan_repeats(session.study, card, chosen)])

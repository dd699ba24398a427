"""The report runs: every arm over the seeds of the study's design, until planning wants no more."""

import shutil
from collections import Counter

from bertft_core.planning.wanted_runs import WantedRuns, wanted_runs
from bertft_core.records import DatasetCard, RunRecord, SweepResult
from bertft_core.records.selection import may_go_on
from flows.stages.training_stage import Trainer


def run_seeds(trainer: Trainer, card: DatasetCard, sweeps: dict[str, SweepResult]) -> tuple[WantedRuns, dict[str, RunRecord]]:
    """The report runs and repeats, and their records by digest."""
    session = trainer.session
    chosen = {arm: result.chosen for arm, result in sweeps.items()}
    records: dict[str, RunRecord] = {}
    while todo := (wanted := wanted_runs(session.study, card, chosen, records)).unanswered(records):
        if records:  # more runs are wanted than were planned at first
            for arm, n in Counter(spec.arm for spec in todo).items():
                session.progress.plan_more("seeds", arm, n)
        records |= trainer.records_of(todo)
    for spec in wanted.planned:
        if may_go_on(records[spec.digest]):  # it stopped at its cut for good: its state is not needed
            shutil.rmtree(session.dir.run_dir(spec.digest) / "checkpoint", ignore_errors=True)
    return wanted, records

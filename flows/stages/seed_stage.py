"""The report runs: every arm over the seeds of the study's design, asked for anew until all have their answer."""

from __future__ import annotations

import shutil
from collections import Counter

from bertft_core.planning.run_specs import plan_repeats
from bertft_core.planning.start_many_cuts import refuse_blind_cuts
from bertft_core.planning.wanted_runs import planned_runs, unanswered
from bertft_core.records import DatasetCard, RunRecord, RunSpec, SweepResult
from bertft_core.records.selection import may_go_on
from flows.stages.training_stage import train_specs
from tasks.study_session import Session


def run_seeds(session: Session, card: DatasetCard, sweeps: dict[str, SweepResult]) -> tuple[list[RunSpec], dict[str, RunRecord]]:
    """The planned runs, and their records by digest; among the records those of repeats too.

    Which runs are wanted next is read from the records: seeds are added until an interval is narrow, or the best of many go on.
    """
    chosen = {arm: result.chosen for arm, result in sweeps.items()}
    refuse_blind_cuts(session.study, card, chosen)
    repeats = plan_repeats(session.study, card, chosen)
    records: dict[str, RunRecord] = {}
    planned = planned_runs(session.study, card, chosen, records)
    todo = [*planned, *repeats]
    while todo:
        records |= train_specs(session, todo)
        planned = planned_runs(session.study, card, chosen, records)
        todo = unanswered(planned, records)
        _tell_progress(session, todo)
    _forget_states(session, planned, records)
    return planned, records


def _tell_progress(session: Session, todo: list[RunSpec]) -> None:
    """More runs are wanted than were planned at first."""
    for arm, n in Counter(spec.arm for spec in todo).items():
        session.progress.plan_more("seeds", arm, n)


def _forget_states(session: Session, planned: list[RunSpec], records: dict[str, RunRecord]) -> None:
    """The states of runs that stopped at their cut for good."""
    for spec in planned:
        if may_go_on(records[spec.digest]):
            shutil.rmtree(session.dir.run_dir(spec.digest) / "checkpoint", ignore_errors=True)

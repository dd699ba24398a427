"""The task of summing a study up over its seeds."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.evaluation.comparison.of_study import with_comparison
from bertft_core.evaluation.summarize import summarize
from bertft_core.records import DatasetCard, RunRecord, RunSpec, StudySummary, SweepResult
from bertft_core.storage.study_dir import write_record
from tasks.study_session import Session


@task(name="evaluate-runs", task_run_name="evaluate runs · {session.study.name}", cache_policy=NO_CACHE, persist_result=False)
def evaluate_runs(
    session: Session,
    card: DatasetCard,
    planned: list[RunSpec],
    records: dict[str, RunRecord],
    sweeps: dict[str, SweepResult],
) -> StudySummary:
    """Scores from stored predictions, statistics over seeds, and every pair of arms compared.

    See `bertft_core.evaluation.summarize.summarize` and `bertft_core.evaluation.comparison`.
    """
    chosen = {arm: sweep.chosen for arm, sweep in sweeps.items()}
    every = {record.digest: record for record in session.dir.records()} | records
    summary = summarize(session.study, card, planned, every, chosen, session.dir.run_dir, list(sweeps.values()))
    summary = with_comparison(session.study, card, summary, records, session.dir.run_dir)
    write_record(session.dir.summary_path, summary)
    return summary

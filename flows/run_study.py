"""One study from raw data to report: the flow behind `bertft run` and the deployments."""

from __future__ import annotations

import os
from typing import Any

from prefect import flow
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from bertft_core.config import StudyConfig, UserError, load_study, parse_study
from bertft_core.planning.ineffective_strategies import refuse_idle_averages
from bertft_core.planning.start_many_cuts import refuse_blind_cuts
from bertft_core.records import StudySummary
from bertft_core.storage.study_results import StudyResults
from flows.stages.probe_stage import probe_runs
from flows.stages.progress_output import watched
from flows.stages.search_stage import run_searches
from flows.stages.seed_stage import run_seeds
from tasks.evaluate_runs import evaluate_runs
from tasks.home import home_dir
from tasks.keep_models import keep_models
from tasks.prefect_runs import claim
from tasks.prepare_data import prepare_data
from tasks.progress import StudyProgress
from tasks.quiet_environment import be_quiet
from tasks.study_session import Session
from tasks.write_report import write_report

MAX_THREADS = 64
"""Bounds the slots of one machine; threads only wait for workers."""


def read_config(config: str | dict[str, Any], overrides: list[str]) -> StudyConfig:
    """The study a deployment or the command line names: a path, or the config itself. Raises `UserError`."""
    return load_study(config, overrides) if isinstance(config, str) else parse_study(config, overrides)


def _flow_run_name() -> str:
    parameters = flow_run.parameters
    try:
        return read_config(parameters["config"], parameters.get("overrides") or []).name
    except UserError:
        return f"not a study: {parameters['config']}"[:100]


@flow(
    name="run-study",
    flow_run_name=_flow_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MAX_THREADS),  # type: ignore[arg-type]
    persist_result=False,
    log_prints=False,
)
def run_study(
    config: str | dict[str, Any], overrides: list[str] | None = None, home: str | None = None, force: bool = False
) -> StudySummary:
    """Run one study, or continue it: data, searches, seeds, probes, evaluation, report.

    `config` is the path of a YAML file or a whole config; `overrides` are `dotted.key=value`; `home` is where everything lies
    (default: $BERTFT_HOME, else ./bertft-home); `force` trains again what is finished.
    """
    be_quiet()  # in a deployment no command line has done it
    study = read_config(config, overrides or [])
    progress = StudyProgress()
    with watched(study, progress), Session(study, home_dir(home), progress, force=force) as session:
        claim(study.name, session.home_dir, flow_run.id, progress.tell)
        plan_progress(session)
        progress.enter("prepare")
        card = prepare_data(session)
        refuse_blind_cuts(study, card, {})
        refuse_idle_averages(study, card)
        progress.enter("search")
        sweeps = run_searches(session, card)
        progress.enter("seeds")
        planned, records = run_seeds(session, card, sweeps)
        probe_runs(session, planned, records)
        progress.enter("evaluate")
        every_record = {record.digest: record for record in session.dir.records()} | records
        results = evaluate_runs(session, StudyResults(study, card, session.dir, every_record, planned, sweeps))
        progress.enter("report")
        session.tracker.catch_up([*records.values(), *results.search_runs])
        keep_models(session, planned, records)
        write_report(session, results)
    announce_completed(results)
    return results.summary


def plan_progress(session: Session) -> None:
    """Tell the progress how many runs each stage has at most."""
    for name, arm in session.study.arms.items():
        if arm.search is not None:
            session.progress.plan("search", name, arm.search.n_trials * arm.search.n_seeds)
        session.progress.plan("seeds", name, session.study.n_runs_per_arm + session.study.seeds.repeats)
        if session.study.probes is not None and session.study.probes.needs_model:
            session.progress.plan("probe", name, session.study.n_runs_per_arm)


def announce_completed(results: StudyResults) -> None:
    """Emit `bertft.study.completed`, which other flows can be triggered by."""
    name = results.study.name
    emit_event(
        "bertft.study.completed",
        resource={"prefect.resource.id": f"bertft.study.{name}", "prefect.resource.name": name},
        payload={
            "study": name,
            "study_digest": results.study.digest,
            "report": str(results.study_dir.report_dir.resolve() / "report.html"),
            "home": str(results.study_dir.home_dir.resolve()),
            "pid": os.getpid(),
        },
    )

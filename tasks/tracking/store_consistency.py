"""Where MLflow, Prefect and Optuna disagree with the records of a study that no command runs.

The records are right. `bertft repair` and every start of the study correct what is reported here.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.config.addresses import without_password
from bertft_core.data.prepared_damage import find_damage as find_damaged_data
from bertft_core.records import DatasetCard
from bertft_core.report.prose.grammar import several
from bertft_core.storage.damage import Damage, damage_of, damaged_models, find_damage
from bertft_core.storage.study_dir import StudyDir
from bertft_core.sweep.journal_file import FROM_RECORDS, Seal, may_have_running, problem_of, seal_path
from tasks.process_identity import owner_in
from tasks.tracking.store_files import (
    MLFLOW_STATUS,
    OF_SEVERAL,
    STUDIES,
    TrackedRun,
    is_left,
    mlflow_runs,
    prefect_path,
    prefect_runs,
    problem_of_prefect,
    problem_of_sqlite,
)
from tasks.tracking.store_login import was_refused

NOBODY = "and no command runs it"
WRITTEN_AGAIN = "the next bertft run writes it again"
LOGGED_AGAIN = "the next bertft run logs every planned run again"
LEFT_OUT = "no command logs them, and bertft clean lists them"


def journals(study_dir: StudyDir) -> Iterator[tuple[str, Path]]:
    """Arm and journal of every search in the study's folder."""
    for path in sorted(study_dir.path.glob("sweep/*/journal.log")):
        yield path.parent.name.rpartition("-")[0], path


def damages(study_dir: StudyDir, card: DatasetCard | None) -> Iterator[Damage]:
    """Everything of a study that is damaged: records, files of runs, prepared data, journals, MLflow's database."""
    yield from find_damage(study_dir)
    yield from damaged_models(study_dir)
    for each in () if card is None else card.every:
        yield from find_damaged_data(Path(each.directory), dict.fromkeys(each.splits, 0))
        yield from damage_of(Path(each.directory) / "card.json", DatasetCard, WRITTEN_AGAIN)
    for _, path in journals(study_dir):
        yield from damage_of(seal_path(path), Seal, WRITTEN_AGAIN)
        problem = problem_of(path)
        if problem is not None:
            yield Damage(path, problem, FROM_RECORDS)
    problem = problem_of_sqlite(study_dir.home_dir / "mlflow.db")
    if problem is not None:
        yield Damage(study_dir.home_dir / "mlflow.db", problem.partition(" is ")[2], LOGGED_AGAIN)
    if (problem := problem_of_prefect(study_dir.home_dir)) is not None:
        yield Damage(prefect_path(study_dir.home_dir), problem, "the next bertft run sets it aside")


def inconsistencies(study: StudyConfig, study_dir: StudyDir, unplanned: Collection[str] = ()) -> list[str]:
    """Where each store disagrees with the records, in lines; `unplanned` are digests of runs that no config asks for."""
    return [*_of_mlflow(study, study_dir, unplanned), *_of_prefect(study, study_dir), *_of_optuna(study, study_dir)]


def repair_helps(lines: Iterable[str]) -> bool:
    """Whether `bertft repair` corrects some of what differs."""
    return any(not line.endswith((LOGGED_AGAIN, LEFT_OUT)) for line in lines)


def _of_mlflow(study: StudyConfig, study_dir: StudyDir, unplanned: Collection[str]) -> Iterator[str]:
    try:
        runs = _mlflow_runs(study, study_dir)
    except Exception as error:  # whatever a store that is away raises
        yield f"MLflow: {without_password(study.tracking.uri or 'its store')} does not answer ({type(error).__name__})"
        return
    records = {record.digest: record for record in study_dir.records()}
    for run in runs:
        record = records.get(run.tags.get("bertft.run_digest", ""))
        if record is not None and run.status != MLFLOW_STATUS[record.status]:
            yield f"MLflow: {run.name} is {run.status}; its record says {record.status}"
        elif run.status == "RUNNING" and is_left(run.tags, all_dead=study.tracking.uri is None):
            yield f"MLflow: {run.name} is RUNNING, {NOBODY}"
    logged = {run.tags.get("bertft.run_digest") for run in runs}
    missing = records.keys() - logged
    n_left_out = len(missing & set(unplanned))
    if len(missing) > n_left_out:
        yield f"MLflow: {len(missing) - n_left_out} of {len(records)} runs with a record are not in it; {LOGGED_AGAIN}"
    if n_left_out:
        yield f"MLflow: {n_left_out} of {len(records)} runs with a record are not in it, nor in the study's config; {LEFT_OUT}"


def _mlflow_runs(study: StudyConfig, study_dir: StudyDir) -> list[TrackedRun]:
    """The runs of the study's experiment, and the comparisons of the study with others."""
    if study.tracking.uri is None:
        of_several = mlflow_runs(study_dir.home_dir, OF_SEVERAL)
        return mlflow_runs(study_dir.home_dir, study.name) + [run for run in of_several if _is_with(study, run)]
    from tasks.tracking.mlflow_store import is_there, open_existing, runs_where

    if not is_there(study.tracking.uri):
        return []
    client = open_existing(study_dir.home_dir, study.tracking.uri)
    experiments = (client.get_experiment_by_name(name) for name in (study.name, OF_SEVERAL))
    runs, compared = (
        [TrackedRun(str(r.info.run_name), r.info.status, r.data.tags) for r in runs_where(client, within, "")]
        for within in ([] if found is None else [str(found.experiment_id)] for found in experiments)
    )
    return runs + [run for run in compared if _is_with(study, run)]


def _is_with(study: StudyConfig, run: TrackedRun) -> bool:
    return study.name != OF_SEVERAL and study.name in run.tags.get(STUDIES, "").split(", ")


def _of_prefect(study: StudyConfig, study_dir: StudyDir) -> Iterator[str]:
    if os.environ.get("PREFECT_API_URL"):
        from tasks.prefect_runs import left_flow_runs

        try:
            n_left = len(left_flow_runs(study.name, study_dir.home_dir))
        except Exception as error:  # whatever a server that is away raises
            fault = "refuses the credentials" if was_refused(error) else f"does not answer ({type(error).__name__})"
            yield f"Prefect: {without_password(os.environ['PREFECT_API_URL'])} {fault}"
            return
    else:
        n_left = sum(is_left_flow_run(run) for run in prefect_runs(study_dir.home_dir, study.name))
    if n_left:
        yield f"Prefect: {n_left} flow run{'s are' if n_left > 1 else ' is'} RUNNING, {NOBODY}"


def is_left_flow_run(run: TrackedRun) -> bool:
    """A flow run of this home that says it runs, and whose process has ended or is not known."""
    owner = owner_in(run.tags)
    return run.status == "RUNNING" and (owner is None or owner.is_gone)


def _of_optuna(study: StudyConfig, study_dir: StudyDir) -> Iterator[str]:
    for arm, path in journals(study_dir):
        if not may_have_running(path):
            continue
        from bertft_core.sweep.trial_journal import states_of  # imports Optuna

        n_running = states_of(path, f"{study.name}/{arm}")["running"]
        if n_running:
            are = "is" if n_running == 1 else "are"
            yield f"Optuna: {several(n_running, 'trial')} of the search of {arm} {are} RUNNING, {NOBODY}"

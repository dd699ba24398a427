"""Making MLflow and Optuna agree with the records of a study that no command runs; Prefect's part is in `prefect_runs`.

A training run that was killed is KILLED in MLflow and resumes from its checkpoint; a trial waits until its search continues. Both
keep their number and are counted once.
"""

import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.addresses import shown
from bertft_core.records.verification_record import VERIFICATION_FILE, Verification
from bertft_core.report.prose.grammar import several
from bertft_core.storage.damage import VERIFY_AGAIN, damage_of, set_aside
from bertft_core.storage.study_dir import StudyDir
from bertft_core.sweep.trial_journal import let_wait
from tasks.tracking.store_consistency import journals
from tasks.tracking.store_files import LOGGED, MLFLOW_STATUS, PARENT_TAG


def repair_searches(study: StudyConfig, study_dir: StudyDir) -> list[str]:
    """Let the trials wait that a dead process has left running; a line for each search that had some."""
    lines = []
    for arm, path in journals(study_dir):
        n_running = let_wait(path, f"{study.name}/{arm}")
        if n_running:
            wait = "waits" if n_running == 1 else "wait"
            lines.append(f"Optuna: {several(n_running, 'trial')} of the search of {arm} {wait} until it continues")
    return lines


def drop_models(study: StudyConfig, study_dir: StudyDir, digests: Iterable[str]) -> None:
    """Delete the models of these runs from MLflow, where it has them. Raises `MlflowException` when the store is away."""
    if study.tracking.uri is None and not (study_dir.home_dir / "mlflow.db").exists():
        return
    from tasks.tracking.mlflow_runs import MlflowRuns
    from tasks.tracking.run_log import MlflowRunLog

    log = MlflowRunLog(MlflowRuns(study_dir.home_dir, study.tracking.uri, study.name, uuid.uuid4().hex), study_dir, study)
    for digest in digests:
        log.drop_model(digest)


def repair_comparisons_of(home_dir: Path) -> list[str]:
    """Mark the comparisons in the home's own store that a dead process left RUNNING as KILLED; a line for each.

    Also those of studies that another store keeps, or MLflow alone. Raises `UserError` when the store is damaged.
    """
    if not (home_dir / "mlflow.db").exists():
        return []
    from tasks.tracking.mlflow_store import open_existing, repair_comparisons

    return [f"MLflow: {name} was left RUNNING, now KILLED" for name in repair_comparisons(open_existing(home_dir, None))]


def recover_verification(study: StudyConfig, study_dir: StudyDir) -> list[str]:
    """Set a damaged `verification.json` aside and fetch the one in MLflow, before more is added; a line for each step."""
    path = study_dir.path / VERIFICATION_FILE
    lines = [damage.line(study_dir.home_dir) for damage in damage_of(path, Verification, VERIFY_AGAIN)]
    if not lines:
        return []
    from tasks.tracking.mlflow_store import MlflowException, open_existing, runs_where
    from tasks.tracking.verdicts import fetch_verification

    aside = set_aside(path).name
    try:
        client = open_existing(study_dir.home_dir, study.tracking.uri)
        found = client.get_experiment_by_name(study.name)
        within = [] if found is None else [str(found.experiment_id)]
        for parent in runs_where(client, within, f"tags.`bertft.study_digest` = '{study.digest}'")[:1]:
            fetch_verification(client, parent.info.run_id, study_dir.path)
    except (UserError, MlflowException, OSError) as error:
        lines.append(f"MLflow: {shown(error)}")
    return [f"{lines[0]} (set aside as {aside})", *lines[1:]]


def repair_mlflow(study: StudyConfig, study_dir: StudyDir) -> list[str]:
    """Mark what a dead process left RUNNING as KILLED, and log the records whose MLflow runs say something else; a line for each.

    Raises `MlflowException` when the store is away.
    """
    if study.tracking.uri is None and not (study_dir.home_dir / "mlflow.db").exists():
        return []
    from tasks.tracking.mlflow_runs import MlflowRuns
    from tasks.tracking.run_log import MlflowRunLog

    runs = MlflowRuns(study_dir.home_dir, study.tracking.uri, study.name, uuid.uuid4().hex)
    log = MlflowRunLog(runs, study_dir, study)
    lines = [f"MLflow: {name} was left RUNNING, now KILLED" for name in runs.repaired]
    for record in study_dir.records():
        parent = runs.tag_of(record.digest, PARENT_TAG)
        if parent is None:
            continue  # not begun there: the study's next command logs it
        status = MLFLOW_STATUS[record.status]
        if runs.tag_of(record.digest, LOGGED) != record.ended_at:
            log.log_record(record, parent, int(time.time() * 1000))
        elif runs.status_of(record.digest) != status:
            runs.end(record.digest, status)
        else:
            continue
        lines.append(f"MLflow: {record.spec.title} is {status}, as its record says")
    return lines

"""Verdicts in MLflow: tags of the run that was trained again; certificate and report on the study's run."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from bertft_core.config import UserError
from bertft_core.config.addresses import shown
from bertft_core.records.verification_record import VERIFICATION_FILE, RunVerdict, Verification
from bertft_core.report.prose import run_diff_text, verification_text
from bertft_core.report.run_links import link_report
from bertft_core.storage.study_dir import StudyDir, read_record, write_verification
from tasks.mlflow_address import browser_address
from tasks.tracking.mlflow_store import MlflowException, download, open_existing, run_addresses, runs_where
from tasks.tracking.store_files import PARENT_TAG, STAGE

MAX_TAG = 4000


def run_tags(verdict: RunVerdict) -> dict[str, str]:
    """What the MLflow run of a verified run shows."""
    finding = verdict.finding
    tags = {
        "verified": verification_text.verdict(finding),
        "verified_at": verdict.checked_at,
        "verified_by": f"bertft {verdict.how}",
        "verified_on": verdict.machine,
        "verified_differences": "; ".join(map(verification_text.difference, finding.differences)) or "none",
        "verified_environment": "; ".join(map(run_diff_text.environment_change, finding.environment)) or "the same",
    }
    if finding.first_step is not None:
        tags["verified_first_step"] = str(finding.first_step)
    return {f"bertft.{name}": value[:MAX_TAG] for name, value in tags.items()}


def tag_run(client: MlflowClient, run_id: str, verdict: RunVerdict) -> None:
    """Write a verdict on a run, in place of an earlier one."""
    tags = run_tags(verdict)
    for name in client.get_run(run_id).data.tags:
        if name.startswith("bertft.verified") and name not in tags:
            client.delete_tag(run_id, name)
    for name, value in tags.items():
        client.set_tag(run_id, name, value)


def log_verdicts(
    home_dir: Path, uri: str | None, experiment: str, study_digest: str, verdicts: Sequence[RunVerdict], study_path: Path
) -> list[str]:
    """Tag the runs of these verdicts; put `verification.json` and the report on the study's run. What went wrong, in words."""
    try:
        client = open_existing(home_dir, uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return [f"the store has no experiment '{experiment}'"]
        missing = []
        for verdict in verdicts:
            runs = runs_where(client, found.experiment_id, f"tags.`bertft.run_digest` = '{verdict.run_digest}'")
            if runs:
                tag_run(client, runs[0].info.run_id, verdict)
            else:
                missing.append(f"the store has no run {verdict.title}")
        if (server := browser_address(uri)) is not None:
            runs = runs_where(client, found.experiment_id, "")
            link_report(StudyDir(home_dir, experiment), run_addresses(runs, server))
        for parent in runs_where(client, found.experiment_id, f"tags.`bertft.study_digest` = '{study_digest}'"):
            _log_on_parent(client, parent.info.run_id, study_path)
        return missing
    except (UserError, MlflowException, OSError) as error:
        return [shown(error)]


def _log_on_parent(client: MlflowClient, parent: str, study_path: Path) -> None:
    verification = read_record(study_path / VERIFICATION_FILE, Verification)
    if verification is None:
        return
    client.log_artifact(parent, str(study_path / VERIFICATION_FILE))
    if (study_path / "report" / "report.html").exists():
        client.log_artifact(parent, str(study_path / "report" / "report.html"), "report")
    applied = [check for check in verification.checks if check.passed is not None]
    if applied:
        client.set_tag(parent, "bertft.certificate", verification_text.checks_passed(applied))


def merge_on_parent(client: MlflowClient, run: Any, verdict: RunVerdict) -> None:
    """Add a verdict to the `verification.json` of the run's study, where MLflow is all that is left of it."""
    parent = study_run_of(client, run)
    with tempfile.TemporaryDirectory() as folder:
        known = fetch_verification(client, parent.info.run_id, Path(folder)) or Verification()
        client.log_artifact(parent.info.run_id, str(write_verification(Path(folder), known.with_run(verdict))))


def fetch_verification(client: MlflowClient, parent: str, folder: Path) -> Verification | None:
    """Download what was verified of a study into a folder; None when nothing was."""
    found = download(client, parent, [VERIFICATION_FILE], folder)
    return read_record(folder / VERIFICATION_FILE, Verification) if found else None


def study_run_of(client: MlflowClient, run: Any) -> Any:
    """The MLflow run of the study that a run belongs to: its parent, or the parent of its search. Raises `UserError`."""
    first = run
    while run.data.tags.get(STAGE) != "study":
        parent = run.data.tags.get(PARENT_TAG)
        if parent is None:
            raise UserError(
                f"the MLflow run {first.info.run_id} does not belong to a study",
                code="mlflow.run-of-no-study",
                found="no parent run that is a study's",
                expected="a run that bertft has logged",
                hint="take the id of a run below a study's run",
            )
        run = client.get_run(parent)
    return run

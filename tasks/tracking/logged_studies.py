"""A whole study as MLflow alone has it: config, data card, summary, and the records and predictions of its runs."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from bertft_core.config import StudyConfig
from bertft_core.config.addresses import shown, without_password
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.planning.run_specs import search_digest
from bertft_core.records import DatasetCard, StudySummary, SweepResult
from bertft_core.report.prose.grammar import several
from bertft_core.storage.study_dir import PROBES_FILE, StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from tasks.mlflow_address import tracking_uri
from tasks.tracking.logged_runs import read_logged
from tasks.tracking.mlflow_store import MlflowException, download, open_existing, runs_where
from tasks.tracking.store_files import OF_SEVERAL, STAGE
from tasks.tracking.study_log import SEARCH

NEEDED = ("config.json", "data_card.json", "report/summary.json")
"""Artifacts of the study's run."""
NO_STUDIES = {"Default", OF_SEVERAL}
"""Experiments that are no study's: MLflow's own, and that of comparisons of several studies."""
OF_RUNS = ("record.json", "predictions")
"""What a comparison takes of each."""
ALL_OF_RUNS = (*OF_RUNS, "curves.jsonl", "log.txt", PROBES_FILE)


def fetch_study(
    name: str, folder: Path, *, home_dir: Path, uri: str | None, in_home: Sequence[str] = (), whole: bool = False
) -> StudyResults:
    """Download the newest finished execution of the study whose experiment is `name` into a home of its own at `folder`.

    What a comparison needs of it, or the `whole` study: searches, curves and logs too.
    Raises `UserError` when there is no such experiment, with the studies `in_home` too, or when parts of it are missing.
    """
    client = open_existing(home_dir, uri)
    study_dir = StudyDir(folder, name)
    study_dir.path.mkdir(parents=True, exist_ok=True)
    try:
        parent = _study_run(client, name)
        if parent is None:
            raise _unknown(client, name, home_dir, without_password(tracking_uri(home_dir, uri)), in_home)
        run_id = parent.info.run_id
        download(client, run_id, NEEDED, study_dir.path)
        config, card_path, summary_path = (study_dir.path / Path(name).name for name in NEEDED)
        study = read_logged(config, StudyConfig, run_id)
        card = read_logged(card_path, DatasetCard, run_id)
        summary = read_logged(summary_path, StudySummary, run_id)
        reported = [seed.run_digest for arm in summary.arms for seed in arm.seeds]
        wanted = [*reported, *_fetch_searches(client, parent, study, card, study_dir)] if whole else reported
        _fetch_runs(client, parent, wanted, study_dir, names=ALL_OF_RUNS if whole else OF_RUNS)
    except MlflowException as error:
        raise _unreadable(name, error) from None
    records = {record.digest: record for record in study_dir.records()}
    planned = [records[digest].spec for digest in reported if digest in records]
    return StudyResults(study, card, study_dir, records, planned, evaluated=summary)


def restore_study(name: str, home_dir: Path, uri: str | None, in_home: Sequence[str] = ()) -> StudyResults:
    """Write into the home the study that `fetch_study` reads, with its searches, curves and logs: all of it or nothing.

    Raises `UserError` as `fetch_study` does, and where the home has such a study.
    """
    study_dir = StudyDir(home_dir, name)
    if study_dir.path.exists():
        raise UserError(
            f"the study '{name}' is in this home",
            code="fetch.already-here",
            path=study_dir.path,
            hint=f"bertft show {name}; or give another home with --home",
        )
    study_dir.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetched-", dir=study_dir.path.parent) as folder:
        found = fetch_study(name, Path(folder), home_dir=home_dir, uri=uri, in_home=in_home, whole=True)
        (found.study_dir.path / Path(NEEDED[1]).name).unlink()
        write_record(found.study_dir.card_path, found.card)
        found.study_dir.path.rename(study_dir.path)
    return replace(found, study_dir=study_dir)


def _unreadable(name: str, error: MlflowException) -> UserError:
    return UserError(
        f"the study '{name}' cannot be read from MLflow",
        code="mlflow.unreadable-study",
        found=shown(error),
        hint="check that the store is there, or name another one with --tracking-uri",
    )


def _study_run(client: MlflowClient, name: str) -> Any | None:
    """The newest finished run of the study; None without an experiment of this name. Raises `UserError` for none finished."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return None
    runs = runs_where(client, experiment.experiment_id, f"tags.`{STAGE}` = 'study'")
    finished = [run for run in runs if run.info.status == "FINISHED"]
    if finished:
        return max(finished, key=lambda run: run.info.start_time)
    raise UserError(
        f"MLflow has no finished study '{name}'",
        hint="run the study to its end: bertft run CONFIG",
        code="mlflow.no-finished-study",
        found=f"{several(len(runs), 'run')} of it, none finished",
        expected="the name of an experiment that a study command has logged to its end",
    )


def _unknown(client: MlflowClient, name: str, home_dir: Path, store: str, in_home: Sequence[str]) -> UserError:
    logged = sorted({found.name for found in client.search_experiments()} - NO_STUDIES)
    known = {f"the home {home_dir}": in_home, f"MLflow's store {store}": logged}
    return UserError(
        f"there is no study '{name}', neither in the home nor in MLflow",
        code="mlflow.no-study",
        found="; ".join(f"{where} has {', '.join(names) or 'none'}" for where, names in known.items()),
        expected="one of these studies, or a config file",
        hint=did_you_mean(name, [*in_home, *logged]) or "name the home with --home, or the store with --tracking-uri",
    )


def _fetch_searches(client: MlflowClient, parent: Any, study: StudyConfig, card: DatasetCard, study_dir: StudyDir) -> list[str]:
    """The results of the searches; the digests of their runs."""
    searches = {run.data.tags.get("bertft.search_digest"): run.info.run_id for run in _stage_runs(client, parent, SEARCH)}
    trials: list[str] = []
    for arm in (name for name, arm in study.arms.items() if arm.search is not None):
        digest = search_digest(study, card, arm)
        if (run_id := searches.get(digest)) is None:
            continue
        folder = study_dir.sweep_dir(arm, digest)
        folder.mkdir(parents=True)
        if download(client, run_id, ("result.json",), folder):
            result = read_logged(folder / "result.json", SweepResult, run_id)
            download(client, run_id, tuple(Path(path).name for path in (result.report_path, result.storage_path) if path), folder)
            write_record(folder / "result.json", result)
            trials += [digest for trial in result.trials for digest in trial.run_digests]
    return list(dict.fromkeys(trials))


def _stage_runs(client: MlflowClient, parent: Any, *stages: str) -> list[Any]:
    """The runs of these stages in the study's experiment, the oldest first."""
    return [
        run for stage in stages for run in reversed(runs_where(client, parent.info.experiment_id, f"tags.`{STAGE}` = '{stage}'"))
    ]


def _fetch_runs(
    client: MlflowClient, parent: Any, digests: Sequence[str], study_dir: StudyDir, *, names: Sequence[str] = OF_RUNS
) -> None:
    """Files of runs; what MLflow lacks is left out, and missing where it is asked for."""
    by_digest = {run.data.tags.get("bertft.run_digest"): run.info.run_id for run in _stage_runs(client, parent, SEARCH, "seeds")}
    for digest in digests:
        run_id = by_digest.get(digest)
        if run_id is None:
            continue
        run_dir = study_dir.run_dir(digest)
        run_dir.mkdir(parents=True, exist_ok=True)
        download(client, run_id, names, run_dir)

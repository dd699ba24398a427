"""One run as MLflow alone has it: study, data card, record, curves and predictions, fetched into a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient

from bertft_core.config import StudyConfig
from bertft_core.config.addresses import shown
from bertft_core.config.base import Frozen
from bertft_core.config.errors import NEXT_ROW, UserError
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.storage.study_dir import Damaged, checked_record
from tasks.tracking.mlflow_store import MlflowException, download, open_existing, runs_where
from tasks.tracking.store_files import STAGE
from tasks.tracking.verdicts import study_run_of

FETCHED = ("record.json", "curves.jsonl", "predictions")
N_SHOWN = 12

Record = TypeVar("Record", bound=Frozen)


@dataclass(frozen=True)
class LoggedRun:
    """What a store holds of a run."""

    client: MlflowClient
    run: Any
    record: RunRecord
    run_dir: Path
    """Holds the run's files as in a study's folder."""
    study: StudyConfig
    card: DatasetCard | None


def fetch_run(name: str, folder: Path, *, home_dir: Path, uri: str | None) -> LoggedRun:
    """Download everything about a training run, named by its id or as STUDY/arm/seed.

    Raises `UserError` when there is no such run, or when parts of it are missing.
    """
    client = open_existing(home_dir, uri)
    try:
        run = _run_at(client, name) if "/" in name else _training_run(client, name)
        run_id = run.info.run_id
        run_dir = folder / "recorded"
        run_dir.mkdir(parents=True, exist_ok=True)
        download(client, run_id, FETCHED, run_dir)
        record = read_logged(run_dir / "record.json", RunRecord, run_id)
        parent = study_run_of(client, run).info.run_id
        download(client, parent, ("config.json", "data_card.json"), folder)
    except MlflowException as error:
        raise _unreadable(name, error) from None
    study = read_logged(folder / "config.json", StudyConfig, parent)
    has_card = (folder / "data_card.json").exists()
    card = read_logged(folder / "data_card.json", DatasetCard, parent) if has_card else None
    return LoggedRun(client, run, record, run_dir, study, card)


def _run_at(client: MlflowClient, place: str) -> Any:
    """The newest report run of STUDY/arm/seed. Raises `UserError` for none."""
    study, _, rest = place.partition("/")
    arm, _, seed = rest.partition("/")
    experiment = client.get_experiment_by_name(study)
    runs = [] if experiment is None else runs_where(client, experiment.experiment_id, "tags.`bertft.stage` = 'seeds'")
    found = [run for run in runs if (run.data.tags.get("bertft.arm"), run.data.params.get("seed_index")) == (arm, seed)]
    if found:
        return max(found, key=lambda run: run.info.start_time)
    raise UserError(
        "MLflow has no such run",
        code="mlflow.no-run",
        found=place,
        expected="STUDY/arm/seed of a study in this store, or the id of a run",
        hint="copy the id from the run's page in `bertft ui`",
    )


def _training_run(client: MlflowClient, run_id: str) -> Any:
    """The run with this id. Raises `UserError` for a run that trained nothing, with the ids of those below it that did."""
    run = client.get_run(run_id)
    if "bertft.run_digest" in run.data.tags:
        return run
    below = runs_where(client, run.info.experiment_id, f"tags.`mlflow.parentRunId` = '{run_id}'")
    trained = [f"{one.info.run_id}  {one.info.run_name}" for one in below if "bertft.run_digest" in one.data.tags]
    shown = trained[:N_SHOWN] + ([f"and {len(trained) - N_SHOWN} more"] if len(trained) > N_SHOWN else [])
    raise UserError(
        f"the MLflow run {run_id} is not a training run",
        code="mlflow.not-a-training-run",
        found=f"{run.info.run_name}, the run of a {run.data.tags.get(STAGE, 'program that is not bertft')}",
        expected="the run of one arm and seed",
        hint=NEXT_ROW.join(["take one of these:", *shown]) if shown else "take the id of a run that bertft has trained",
    )


def read_logged(path: Path, kind: type[Record], run_id: str) -> Record:
    """A record that was downloaded from this run. Raises `UserError` where it is missing or damaged."""
    try:
        return checked_record(path, kind)
    except FileNotFoundError:
        found = f"the MLflow run {run_id} has no artifact {path.name}"
    except Damaged as error:
        found = str(error)
    raise UserError(
        "MLflow's record of this run is not complete",
        code="mlflow.incomplete-run",
        found=found,
        expected="the artifacts that a study command logs when a run has ended",
        hint="if the study's folder is still there, run its command once more: it logs what is missing",
    )


def _unreadable(run_id: str, error: MlflowException) -> UserError:
    return UserError(
        f"the MLflow run {run_id} cannot be read",
        code="mlflow.unreadable-run",
        found=shown(error),
        expected="the id of a run in this store: 32 letters and digits",
        hint="copy it from the run's page in `bertft ui`, or name the store with --tracking-uri",
    )

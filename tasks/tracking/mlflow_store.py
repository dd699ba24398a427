"""Opening MLflow's store: an SQLite file in the study home unless the study names another, created once under a lock."""

import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # 7 by default, four minutes for every call to a store that is away
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import logging

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url

from bertft_core.config import UserError
from bertft_core.config.addresses import without_password
from tasks.mlflow_address import tracking_uri
from tasks.tracking.moved_home import artifact_location, follow_home
from tasks.tracking.new_store import make_store
from tasks.tracking.store_files import (
    COMPARISON,
    MOVE_IT,
    SESSION,
    STAGE,
    damage_of_sqlite,
    digest_in,
    is_left,
    problem_of_sqlite,
    run_page,
)

for _name in ("mlflow", "mlflow.transformers", "alembic"):
    logging.getLogger(_name).setLevel(logging.ERROR)
# it would show tracebacks of what is raised anyway
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@contextmanager
def _created_once(uri: str) -> Iterator[None]:
    """Two processes that create one database at once can leave it unusable (seen in every try), so they take turns.

    The lock is beside the database, because two homes may share one.
    """
    if (path := _file_of(uri)) is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            _create(path)
        yield


def _file_of(uri: str) -> Path | None:
    """The file of an SQLite store; None for one in memory, or of another kind."""
    database = make_url(uri).database if uri.startswith("sqlite:") else None
    return None if database in (None, "", ":memory:") else Path(str(database))


def is_there(uri: str) -> bool:
    """Opening the store makes no new one: it is a server, or a file that exists."""
    path = _file_of(uri)
    return path is None or path.is_file()


def _create(path: Path) -> None:
    """Make the database beside its place and put it there when it is whole: tables half made by a kill would never open again."""
    making = path.with_name(f"{path.name}.making")
    for left in path.parent.glob(f"{making.name}*"):
        left.unlink()
    make_store("mlflow", making)
    uri = f"sqlite:///{making.absolute()}"
    MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
    making.replace(path)


def open_store(home_dir: Path, uri: str | None, experiment: str) -> tuple[MlflowClient, str]:
    """A client and the id of the experiment, both made when missing. Raises `MlflowException` when the store is away."""
    where = tracking_uri(home_dir, uri)
    if uri is None and (problem := (problem_of_sqlite(home_dir / "mlflow.db") or follow_home(home_dir))) is not None:
        raise MlflowException(problem)
    with _created_once(where):
        client = MlflowClient(tracking_uri=where, registry_uri=where)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            location = artifact_location(home_dir, experiment) if where.startswith("sqlite:") else None
            return client, client.create_experiment(experiment, artifact_location=location)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return client, str(found.experiment_id)


def open_existing(home_dir: Path, uri: str | None) -> MlflowClient:
    """A client of a store that is there: none is made. Raises `UserError`."""
    where = tracking_uri(home_dir, uri)
    if (path := _file_of(where)) is not None and not path.is_file():
        raise UserError(
            "there is no MLflow store here",
            code="mlflow.no-store-in-home",
            path=path,
            expected="the store of a study's home, or another one",
            hint="name the home with --home, or the store with --tracking-uri",
        )
    if uri is None and (damage := damage_of_sqlite(home_dir / "mlflow.db") or follow_home(home_dir)) is not None:
        raise UserError(
            "the MLflow store cannot be read",
            code="mlflow.unreadable-store",
            path=home_dir / "mlflow.db",
            found=damage,
            hint=f"{MOVE_IT.format(path=home_dir / 'mlflow.db')}; then run the study again, which logs every record again",
        )
    try:
        return MlflowClient(tracking_uri=where, registry_uri=where)
    except MlflowException as error:
        raise UserError(
            f"there is no MLflow store at {without_password(where)}",
            code="mlflow.no-store",
            found=_first_words(error),
            hint="correct --tracking-uri: sqlite:///PATH, or http://HOST:PORT",
        ) from None


def _first_words(error: MlflowException) -> str:
    """What is wrong, without MLflow's list of everything else that it supports."""
    return re.split(r"\. |\n| for model registry", without_password(str(error).strip()), maxsplit=1)[0].rpartition("; got ")[2]


def runs_where(client: MlflowClient, experiment_ids: str | list[str], condition: str) -> list[Run]:
    """Every run of the experiments that meets an MLflow filter, page by page."""
    within = [experiment_ids] if isinstance(experiment_ids, str) else experiment_ids
    runs: list[Run] = []
    token: str | None = None
    while within:
        page = client.search_runs(within, filter_string=condition, max_results=1000, page_token=token)
        runs.extend(page)
        token = page.token
        if not token:
            break
    return runs


def run_addresses(runs: Iterable[Run], server: str) -> dict[str, str]:
    """Digest of a run, search or study → its page at this address of MLflow's server; of several, that of the newest."""
    newest_last = sorted(runs, key=lambda run: run.info.start_time or 0)
    pages = {digest_in(run.data.tags): run_page(run.info.experiment_id, run.info.run_id) for run in newest_last}
    return {digest: f"{server}/{page}" for digest, page in pages.items() if digest is not None}


def download(client: MlflowClient, run_id: str, names: Collection[str], folder: Path) -> set[str]:
    """Download the artifacts of a run that have one of these names straight into a folder; the names of those that it has."""
    parents = {name.rpartition("/")[0] or None for name in names}
    found = {item.path for parent in parents for item in client.list_artifacts(run_id, parent)} & set(names)
    for name in sorted(found):
        client.download_artifacts(run_id, name, str(folder))
    return found


def repair_killed_runs(
    client: MlflowClient, experiment_id: str, *, session: str | None = None, all_dead: bool = False
) -> list[str]:
    """Mark runs that were left RUNNING as KILLED; their names.

    Those are the runs of one session where it is named. Otherwise they are those whose process has ended on this host, because
    another machine may run a study of the same name on the same store; or, with `all_dead`, every one but comparisons that are
    still being made: the caller knows that nobody else writes there.
    """
    condition = "attributes.status = 'RUNNING'"
    if session is not None:
        condition += f" and tags.`{SESSION}` = '{session}'"
    runs = runs_where(client, experiment_id, condition)
    left = [run for run in runs if session is not None or is_left(run.data.tags, all_dead=all_dead)]
    return [str(run.info.run_name) for run in left if _killed(client, run)]


def repair_comparisons(client: MlflowClient) -> list[str]:
    """Mark the comparisons of this store that were left RUNNING by a process that has ended as KILLED; their names.

    A comparison of several studies is in none of their experiments, and one of a study that another store keeps may be here.
    """
    experiments = [str(found.experiment_id) for found in client.search_experiments()]
    runs = runs_where(client, experiments, f"attributes.status = 'RUNNING' and tags.`{STAGE}` = '{COMPARISON}'")
    return [str(run.info.run_name) for run in runs if is_left(run.data.tags) and _killed(client, run)]


def _killed(client: MlflowClient, run: Run) -> bool:
    """Mark a run as KILLED, unless another command has ended or resumed it since it was found."""
    now = client.get_run(run.info.run_id)
    if now.info.status != "RUNNING" or now.data.tags.get(SESSION) != run.data.tags.get(SESSION):
        return False
    end_run(client, now, "KILLED")
    return True


def end_run(client: MlflowClient, run: Run, status: str = "FINISHED", at_ms: int | None = None) -> None:
    """End a run, now or as of then; where the clock has been set back since, when it began: no run ends before that."""
    end_time = max(int(time.time() * 1000) if at_ms is None else at_ms, run.info.start_time or 0)
    client.set_terminated(run.info.run_id, status=status, end_time=end_time)

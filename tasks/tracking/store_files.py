"""What the SQLite files of MLflow and Prefect in a home say of a study, read without either: importing them takes seconds."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from filelock import FileLock

from bertft_core.storage.damage import set_aside
from tasks.process_identity import owner_in

MLFLOW_STATUS = {"ok": "FINISHED", "collapsed": "FINISHED", "diverged": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}
"""A record's status → MLflow's; the tag `bertft.status` says it exactly. KILLED is a run without a record."""
SESSION = "bertft.session"
"""Tag of a run: the execution that opened it last."""
LOGGED = "bertft.logged"
"""Tag of what is completely in MLflow: of a run when it ended, of a search the number of its trials, of a study its seal."""
MODEL = "bertft.model"
"""Tag of a run whose model is in MLflow: the hash of its final weights; `begun` until it is whole, `dropped` when it went."""
REGISTERED = "bertft.registered"
"""Tag of a run whose model is in MLflow's registry: NAME/VERSION."""
CHAMPION = "champion"
"""Alias of the version of a registered model that is the best run's."""
DIGEST_TAGS = ("bertft.run_digest", "bertft.search_digest", "bertft.study_digest")
PARENT_TAG = "mlflow.parentRunId"
STAGE = "bertft.stage"
COMPARISON = "comparison"
"""Stage of a comparison's run: it is made without the lock of any study."""
OF_SEVERAL = "comparisons"
"""Experiment of comparisons across studies; that of one study is in the study's own."""
STUDIES = "bertft.studies"
"""Tag of a comparison: the names of its studies, joined by a comma and a space."""
MLFLOW = """
    SELECT runs.run_uuid, runs.name, runs.status, experiments.experiment_id FROM runs JOIN experiments USING (experiment_id)
    WHERE experiments.name = ? AND runs.lifecycle_stage = 'active' ORDER BY runs.start_time DESC
"""
MLFLOW_TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"
MARK_KILLED = """
    UPDATE runs SET status = 'KILLED', end_time = max(?, start_time) WHERE status = 'RUNNING' AND lifecycle_stage = 'active'
    AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)
"""
NAMED_BY_STUDY = ("run-study", "update-study")
"""Flows whose runs have the name of the study that they work on until they end."""
FLOWS = (*NAMED_BY_STUDY, "check-regression")
"""Flows whose runs work on a study, and are tagged with it once they hold its lock."""
PREFECT = f"""
    SELECT flow_run.name, flow_run.state_type, flow_run.labels, flow_run.parameters FROM flow_run
    JOIN flow ON flow.id = flow_run.flow_id WHERE flow.name IN {NAMED_BY_STUDY} AND flow_run.name = ?
    OR flow.name IN {FLOWS} AND ? IN (SELECT value FROM json_each(flow_run.tags))
"""


def study_tag(study: str) -> str:
    """The tag by which flow runs and task runs of a study are found on Prefect's pages."""
    return f"study:{study}"


class TrackedRun(NamedTuple):
    """A run of MLflow, or a flow run of Prefect."""

    name: str
    status: str
    tags: dict[str, str]
    """Tags of MLflow, labels of Prefect."""
    id: str = ""
    """MLflow's."""
    experiment_id: str = ""
    """MLflow's."""

    @property
    def page(self) -> str:
        """The run's page below the address of MLflow's server."""
        return run_page(self.experiment_id, self.id)


def run_page(experiment_id: str, run_id: str, part: str = "") -> str:
    """The page of a run, or a part of it, below the address of MLflow's server, which would show it as that of an agent."""
    return f"#/experiments/{experiment_id}/runs/{run_id}{part}?workflowType=machine_learning"


MOVE_IT = "move it away: mv {path} {path}.damaged"


def problem_of_sqlite(path: Path) -> str | None:
    """What is wrong with a database, and what to do; None when all is well or there is none."""
    damage = damage_of_sqlite(path)
    return None if damage is None else f"{path} is {damage}; {MOVE_IT.format(path=path)}"


def damage_of_sqlite(path: Path) -> str | None:
    """How a database is damaged; None when all is well or there is none."""
    if not path.exists():
        return None
    try:
        with opened(path) as database:
            answer = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if "locked" in str(error) or "busy" in str(error):
            return None
        answer = str(error)
    if answer == "ok":
        return None
    return f"damaged ({answer.splitlines()[0]})"


def prefect_path(home_dir: Path) -> Path:
    """The database of the embedded servers."""
    return home_dir / "prefect" / "prefect.db"


def problem_of_prefect(home_dir: Path) -> str | None:
    """Why Prefect's server cannot start on the home's database; None when it can, or makes one."""
    path = prefect_path(home_dir)
    if (damage := damage_of_sqlite(path)) is not None:
        return damage
    try:
        with opened(path) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            versions = (
                database.execute("SELECT version_num FROM alembic_version").fetchall() if "alembic_version" in tables else []
            )
    except sqlite3.DatabaseError:  # not there, or in use
        return None
    if tables and "alembic_version" not in tables:
        return "no database of Prefect"
    unknown = [version for (version,) in versions if version not in _known_prefect_versions()]
    return f"of another version of Prefect (revision {unknown[0]})" if unknown else None


def _known_prefect_versions() -> str:
    """The source of every migration that the installed Prefect knows, read without importing it."""
    package = find_spec("prefect")
    assert package is not None
    folder = Path(str(package.origin)).parent / "server" / "database" / "_migrations" / "versions" / "sqlite"
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))


def set_prefect_aside(home_dir: Path) -> str | None:
    """Rename a database that Prefect's server cannot start on: it is only a view; a line that says so, or None."""
    path = prefect_path(home_dir)
    if not path.exists():
        return None
    with FileLock(path.with_name("prefect.lock")):
        problem = problem_of_prefect(home_dir)
        if problem is None:
            return None
        aside = set_aside(path)
        for rest in path.parent.glob(f"{path.name}-*"):  # what SQLite had not yet written to it
            rest.replace(rest.with_name(rest.name.replace(path.name, aside.name)))
    return f"{path.relative_to(home_dir)} is {problem}; Prefect begins a new one (set aside as {aside.name})"


def mlflow_runs(home_dir: Path, study: str) -> list[TrackedRun]:
    """The runs of a study in `mlflow.db`, the newest first; none where it is not there or cannot be read."""
    try:
        with opened(home_dir / "mlflow.db") as database:
            rows = database.execute(MLFLOW, (study,)).fetchall()
            return [
                TrackedRun(name, status, dict(database.execute(MLFLOW_TAGS, (run,))), run, str(experiment))
                for run, name, status, experiment in rows
            ]
    except sqlite3.DatabaseError:
        return []


def champions(home_dir: Path) -> set[str]:
    """The registered models in `mlflow.db` of which one version has our alias; none where it is not there or cannot be read."""
    try:
        with opened(home_dir / "mlflow.db") as database:
            rows = database.execute("SELECT name FROM registered_model_aliases WHERE alias = ?", (CHAMPION,)).fetchall()
            return {str(name) for (name,) in rows}
    except sqlite3.DatabaseError:
        return set()


def mark_killed(path: Path, session: str) -> None:
    """Mark the runs of a session that were left RUNNING in an `mlflow.db` as KILLED, as MLflow does.

    To import MLflow takes seconds, many on a busy machine, and one that goes down does not have them. Raises
    `sqlite3.DatabaseError`.
    """
    with opened(path) as database, database:
        database.execute(MARK_KILLED, (int(time.time() * 1000), SESSION, session))


def digest_in(tags: Mapping[str, str]) -> str | None:
    """The digest of the run, search or study that an MLflow run is of."""
    return next((tags[tag] for tag in DIGEST_TAGS if tag in tags), None)


def is_left(tags: Mapping[str, str], *, all_dead: bool = False) -> bool:
    """Nobody writes a RUNNING run with these tags any more: the process that opened it has ended on this host.

    With `all_dead` the caller knows that nobody else writes the runs of the study; of a comparison that says nothing.
    """
    if all_dead and tags.get(STAGE) != COMPARISON:
        return True
    owner = owner_in(tags)
    return owner is not None and owner.is_gone


def prefect_runs(home_dir: Path, study: str) -> list[TrackedRun]:
    """The flow runs of a study in the database of the embedded servers; none where it is not there or cannot be read.

    One that says whose it is counts wherever the home was then: homes are moved. Others count in their home alone.
    """
    try:
        with opened(prefect_path(home_dir)) as database:
            rows = database.execute(PREFECT, (study, study_tag(study))).fetchall()
    except sqlite3.DatabaseError:
        return []
    found = [
        (TrackedRun(name, str(state), json.loads(labels or "{}") or {}), parameters) for name, state, labels, parameters in rows
    ]
    return [run for run, parameters in found if owner_in(run.tags) is not None or is_of_home(parameters, home_dir)]


def is_of_home(parameters: str | None, home_dir: Path) -> bool:
    """A flow run with these parameters (JSON) worked in this home."""
    home = json.loads(parameters or "{}").get("home")
    return bool(home) and Path(home).resolve() == home_dir.resolve()


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Only to read, but able to write: after a kill SQLite must first roll the half-done write back, or says the file is bad.

    A file that is not there is an `OperationalError`.
    """
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=5.0)) as database:
        yield database

"""Opening MLflow's SQLite file after a kill: made by halves, or with a write that was never finished."""

from __future__ import annotations

import io
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from filelock import FileLock, Timeout

from bertft_core.config import UserError
from bertft_core.storage.study_dir import StudyDir
from tasks.guard import Guard, watch
from tasks.tracking import mlflow_store
from tasks.tracking.mlflow_runs import MlflowRuns
from tasks.tracking.mlflow_store import open_existing, open_store
from tasks.tracking.store_consistency import inconsistencies
from tasks.tracking.store_files import mlflow_runs, problem_of_sqlite
from tasks.tracking.writer_thread import Writer
from tests.helpers.small_records import make_study

KILLED_IN_A_WRITE = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
for n in range(2000):
    database.execute("INSERT INTO experiment_tags VALUES (?, ?, 1)", (f"key {n}", "x" * 500))
os._exit(9)
"""


def test_a_database_made_by_halves_is_made_anew(tmp_path):
    making = tmp_path / "mlflow.db.making"
    with sqlite3.connect(making) as torn:
        torn.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    (tmp_path / "mlflow.db.making-journal").write_bytes(b"torn")
    client, experiment = open_store(tmp_path, None, "small")
    assert client.get_experiment(experiment).name == "small"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.lock"]


@pytest.mark.parametrize("uri", ["", "sqlite:///{home}/mlflow.db"])
def test_the_guard_of_a_killed_study_makes_nothing_in_a_home_that_was_deleted(tmp_path, monkeypatch, uri):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    home = tmp_path / "home"
    watch(str(home), uri.format(home=home), "small", "session")
    home.mkdir()
    watch(str(home), uri.format(home=home), "small", "session")
    assert list(tmp_path.rglob("*")) == [home]


@pytest.mark.parametrize("password", ["open-sesame", "a%40b"])
def test_the_guard_of_a_killed_study_logs_no_password_of_a_server_that_is_away(tmp_path, monkeypatch, capfd, password):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    watch(str(tmp_path), f"http://me:{password}@127.0.0.1:9", "small", "session")
    logged = capfd.readouterr().err
    assert logged.startswith("MLflow: ")
    assert "http://***@127.0.0.1:9" in logged
    assert password not in logged


@pytest.mark.usefixtures("copied_mlflow_store")
def test_a_home_with_a_hash_in_its_path_is_read_and_nothing_is_made_beside_it(tmp_path):
    home = tmp_path / "a#b"
    home.mkdir()
    client, experiment = open_store(home, None, "small")
    client.create_run(experiment, run_name="one")
    assert [run.name for run in mlflow_runs(home, "small")] == ["one"]
    (home / "mlflow.db").write_bytes(b"torn")
    assert problem_of_sqlite(home / "mlflow.db") is not None
    assert list(tmp_path.iterdir()) == [home]


GUARDED = """
import sys
from tasks.guard import watch
watch(*sys.argv[1:])
assert "mlflow" not in sys.modules, "on a busy machine its import takes longer than a shutdown"
"""


@pytest.mark.usefixtures("copied_mlflow_store")
def test_the_guard_ends_the_runs_of_its_session_and_no_others(tmp_path):
    client, experiment = open_store(tmp_path, None, "small")
    later = 10 * int(time.time() * 1000)

    def run(session: str, start_time: int | None = None, status: str | None = None) -> str:
        made = client.create_run(experiment, tags={"bertft.session": session}, start_time=start_time).info.run_id
        if status is not None:
            client.set_terminated(made, status)
        return str(made)

    left, of_the_future, done, other = run("mine"), run("mine", later), run("mine", status="FINISHED"), run("another")
    subprocess.run([sys.executable, "-c", GUARDED, str(tmp_path), "", "small", "mine"], input=b"", check=True)
    found = {name: client.get_run(name).info for name in (left, of_the_future, done, other)}
    assert [info.status for info in found.values()] == ["KILLED", "KILLED", "FINISHED", "RUNNING"]
    assert found[left].start_time <= found[left].end_time <= time.time() * 1000
    assert (found[of_the_future].end_time, found[other].end_time) == (later, None), "no run ends before it began"


@pytest.mark.usefixtures("copied_mlflow_store")
@pytest.mark.parametrize("killed", [False, True])
def test_no_run_ends_before_it_began_when_the_clock_is_set_back(tmp_path, monkeypatch, killed):
    runs = MlflowRuns(tmp_path, None, "small", "session")
    run_id = runs.open("digest", "full", {})
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    if killed:
        runs.end_open()
    else:
        runs.end("digest", "FINISHED")
    ended = runs.client.get_run(run_id).info
    assert (ended.status, ended.end_time) == ("KILLED" if killed else "FINISHED", ended.start_time)
    runs.open("digest", "full", {})
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    runs.end("digest", "FINISHED")
    assert runs.client.get_run(run_id).info.end_time == int((now + 3600) * 1000)


@pytest.mark.usefixtures("copied_mlflow_store")
def test_a_write_that_a_kill_left_by_halves_is_rolled_back_and_the_file_is_not_called_damaged(tmp_path):
    open_store(tmp_path, None, "small")
    path = tmp_path / "mlflow.db"
    subprocess.run([sys.executable, "-c", KILLED_IN_A_WRITE, str(path)], check=False)
    assert path.with_name("mlflow.db-journal").stat().st_size > 0
    assert mlflow_runs(tmp_path, "small") == []
    assert problem_of_sqlite(path) is None
    client, experiment = open_store(tmp_path, None, "small")
    assert client.get_experiment(experiment).tags == {}


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.usefixtures("copied_mlflow_store")
@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_home_in_another_place_keeps_its_artifacts_and_leaves_the_old_place_alone(tmp_path, how):
    old, new = tmp_path / "old home#ü", tmp_path / "new home#ü"
    client, experiment = open_store(old, None, "small 1")
    run_id = client.create_run(experiment).info.run_id
    artifacts = old / "mlflow-artifacts" / "small 1" / run_id / "artifacts"
    artifacts.mkdir(parents=True)  # not by the client, which remembers the places of artifacts as long as its process lives
    (artifacts / "a.txt").write_text("first")
    other = client.create_experiment("of somebody else", artifact_location=(tmp_path / "elsewhere").as_uri())
    if how == "moved":
        old.rename(new)
    else:
        shutil.copytree(old, new)
    before = _files(old)

    client, experiment = open_store(new, None, "small 1")
    client.log_text(run_id, "second", "b.txt")
    client.log_text(client.create_run(experiment).info.run_id, "third", "c.txt")
    assert _files(old) == before
    assert sorted(path.name for path in new.glob("mlflow-artifacts/small 1/**/*.txt")) == ["a.txt", "b.txt", "c.txt"]
    assert sorted(item.path for item in open_existing(new, None).list_artifacts(run_id)) == ["a.txt", "b.txt"]
    assert client.get_experiment(other).artifact_location == (tmp_path / "elsewhere").as_uri()


@pytest.mark.usefixtures("copied_mlflow_store")
def test_the_artifacts_of_a_home_that_shares_the_store_of_another_stay_where_they_are(tmp_path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    open_store(mine, None, "one")
    client, experiment = open_store(theirs, f"sqlite:///{mine / 'mlflow.db'}", "two")
    client.log_text(client.create_run(experiment).info.run_id, "text", "a.txt")
    shutil.copytree(mine, copied := tmp_path / "copied")
    for home in (mine, copied):
        client, _ = open_store(home, None, "one")
        locations = [client.get_experiment_by_name(name).artifact_location for name in ("one", "two")]
        assert locations == [(folder / "mlflow-artifacts" / name).as_uri() for folder, name in ((home, "one"), (theirs, "two"))]


@pytest.mark.usefixtures("copied_mlflow_store")
def test_a_moved_store_that_cannot_be_corrected_is_not_used(tmp_path, monkeypatch):
    open_store(tmp_path / "old", None, "small")
    (tmp_path / "old").rename(tmp_path / "new")
    with sqlite3.connect(tmp_path / "new" / "mlflow.db") as database:
        database.execute("CREATE TRIGGER no BEFORE UPDATE ON experiments BEGIN SELECT raise(ABORT, 'read only'); END")
    with pytest.raises(UserError, match="cannot be read") as caught:
        open_existing(tmp_path / "new", None)
    assert "names artifacts of another place" in str(caught.value.found)


def test_two_homes_that_share_a_database_take_turns_to_create_it(tmp_path, monkeypatch):
    database = tmp_path / "shared" / "runs.db"
    turns = []

    def create_alone(path):
        with pytest.raises(Timeout):
            FileLock(path.with_suffix(".lock")).acquire(timeout=0)
        turns.append(path)
        create(path)

    create = mlflow_store._create
    monkeypatch.setattr(mlflow_store, "_create", create_alone)
    for home in ("a", "b"):
        open_store(tmp_path / home, f"sqlite:///{database}", "small")
    assert turns == [database]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shared"]


@pytest.mark.usefixtures("copied_mlflow_store")
def test_what_only_reads_makes_no_store_and_no_experiment(tmp_path):
    study, study_dir = make_study(tracking={"uri": f"sqlite:///{tmp_path}/none.db"}), StudyDir(tmp_path / "home", "small")
    with pytest.raises(UserError, match="there is no MLflow store here"):
        open_existing(tmp_path, study.tracking.uri)
    assert inconsistencies(study, study_dir) == []
    assert list(tmp_path.iterdir()) == []
    client, _ = open_store(tmp_path, study.tracking.uri, "another")
    assert inconsistencies(study, study_dir) == []
    assert {found.name for found in client.search_experiments()} == {"Default", "another"}


def test_the_password_of_a_store_is_not_shown(tmp_path):
    store = "nowhere://me:secret@host:5432/runs"
    study, study_dir = make_study(tracking={"uri": store}), StudyDir(tmp_path, "small")
    (line,) = inconsistencies(study, study_dir)
    assert line.startswith("MLflow: nowhere://***@host:5432/runs does not answer")
    with pytest.raises(UserError) as refused:
        open_existing(tmp_path, store)
    assert "secret" not in str(refused.value)
    assert "nowhere://***@host:5432/runs" in str(refused.value)
    writer = Writer()
    writer.tell(ConnectionError(f"API request to {store} failed"))
    writer.close()
    assert writer.problems == ["ConnectionError: API request to nowhere://***@host:5432/runs failed"]


def test_the_words_of_the_guard_hold_no_address(tmp_path):
    guard = Guard(tmp_path, make_study(tracking={"uri": "http://me:secret@127.0.0.1:9"}), "session")
    assert not any("secret" in word for word in psutil.Process(guard._process.pid).cmdline())
    guard.release()

"""Opening MLflow's SQLite file after a kill: made by halves, or with a write that was never finished."""

from __future__ import annotations

import io
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bertft_core.config import UserError
from tasks.guard import watch
from tasks.tracking.mlflow_store import open_existing, open_store
from tasks.tracking.store_files import mlflow_runs, problem_of_sqlite

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


def test_a_moved_store_that_cannot_be_corrected_is_not_used(tmp_path, monkeypatch):
    open_store(tmp_path / "old", None, "small")
    (tmp_path / "old").rename(tmp_path / "new")
    with sqlite3.connect(tmp_path / "new" / "mlflow.db") as database:
        database.execute("CREATE TRIGGER no BEFORE UPDATE ON experiments BEGIN SELECT raise(ABORT, 'read only'); END")
    with pytest.raises(UserError, match="cannot be read") as caught:
        open_existing(tmp_path / "new", None)
    assert "names artifacts of another place" in str(caught.value.found)

"""Opening MLflow's SQLite file after a kill: made by halves, or with a write that was never finished."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys

import pytest

from tasks.guard import watch
from tasks.tracking.mlflow_store import open_store
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

"""A new store of MLflow or Prefect is what their migrations make, and never in the way of one that is there."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tasks.tracking import mlflow_store, new_store, store_files
from tasks.tracking.new_store import JOURNAL_MODES, SCRIPTS, make_store, script_path
from tests.helpers.store_schemas import migrated, script_of

ROOT = Path(__file__).parents[2]
both = pytest.mark.parametrize("package", JOURNAL_MODES)


def test_the_locked_versions_have_a_script_and_no_other():
    locked = re.findall(r"^((?:mlflow|prefect)==\S+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    assert sorted(path.name for path in SCRIPTS.iterdir()) == sorted(f"{each.replace('==', '-')}.sql" for each in locked)
    assert len(locked) == 2


@both
def test_a_new_store_is_what_the_script_says(tmp_path, package):
    path = tmp_path / f"{package}.db"
    make_store(package, path)
    assert script_of(path) == script_path(package).read_text()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == (JOURNAL_MODES[package].lower(),)


def test_prefect_knows_the_revision(tmp_path):
    path = tmp_path / "prefect" / "prefect.db"
    path.parent.mkdir()
    make_store("prefect", path)
    assert store_files.problem_of_prefect(tmp_path) is None


def test_mlflow_opens_it_without_migrating(tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow.store.db.utils._upgrade_db", lambda engine: pytest.fail("a migration"))
    client, experiment = mlflow_store.open_store(tmp_path, None, "study")
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "accuracy", 0.5)
    assert client.get_run(run.info.run_id).data.metrics == {"accuracy": 0.5}
    assert (tmp_path / "mlflow.db").is_file()
    assert [path for path in tmp_path.iterdir() if "making" in path.name] == []


@pytest.mark.slow
@both
def test_the_script_is_what_the_migrations_make(tmp_path, package):
    path = migrated(package, tmp_path)
    assert script_of(path) == script_path(package).read_text()
    made = tmp_path / "made.db"
    make_store(package, made)
    settings = []
    for each in (path, made):
        with closing(sqlite3.connect(each)) as database:
            names = ("user_version", "application_id", "journal_mode", "encoding", "auto_vacuum", "page_size")
            settings.append([database.execute(f"PRAGMA {name}").fetchone() for name in names])
    assert settings[0] == settings[1]


def test_a_store_that_is_there_stays(tmp_path):
    path = tmp_path / "prefect.db"
    path.write_bytes(b"somebody's")
    make_store("prefect", path)
    assert path.read_bytes() == b"somebody's"


def test_a_store_that_another_command_has_made_meanwhile_stays(tmp_path, monkeypatch):
    path = tmp_path / "prefect.db"
    link = new_store.os.link

    def later(part, target):
        path.write_bytes(b"the other's")
        link(part, target)

    monkeypatch.setattr(new_store.os, "link", later)
    make_store("prefect", path)
    assert path.read_bytes() == b"the other's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_part_that_a_killed_command_left_is_not_in_the_way_and_that_of_another_command_stays(tmp_path):
    left, others = (tmp_path / f".prefect.db.{pid}.part" for pid in (os.getpid(), f"{os.getpid()}7"))
    for part in (left, others):
        with closing(sqlite3.connect(part)) as database:
            database.execute("CREATE TABLE flow (id)")
    make_store("prefect", tmp_path / "prefect.db")
    assert script_of(tmp_path / "prefect.db") == script_path("prefect").read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == [others.name, "prefect.db"]


def test_what_cannot_be_made_is_left_to_the_package(tmp_path, monkeypatch):
    make_store("prefect", tmp_path / "nowhere" / "prefect.db")
    monkeypatch.setattr(new_store, "script_path", lambda package: tmp_path / "4.0.0.sql")
    make_store("prefect", tmp_path / "prefect.db")
    (tmp_path / "4.0.0.sql").write_text("no SQL")
    make_store("prefect", tmp_path / "prefect.db")
    assert [path.name for path in tmp_path.iterdir()] == ["4.0.0.sql"]

"""A new store for Prefect's server is what Prefect's migrations make, and never in the way of one that is there."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.cli import new_prefect_store
from flows.cli.new_prefect_store import SCRIPTS, make_prefect_store, script_path
from tasks.tracking import store_files
from tests.helpers.prefect_schema import migrated, script_of

ROOT = Path(__file__).parents[2]


def test_the_locked_version_has_a_script_and_no_other():
    (locked,) = re.findall(r"^prefect==(\S+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    assert [path.name for path in SCRIPTS.iterdir()] == [f"{locked}.sql"]


def test_a_new_store_is_what_the_script_says_and_the_server_can_start_on_it(tmp_path):
    path = tmp_path / "prefect" / "prefect.db"
    path.parent.mkdir()
    make_prefect_store(path)
    assert script_of(path) == script_path().read_text()
    assert [each.name for each in path.parent.iterdir()] == ["prefect.db"]
    assert store_files.problem_of_prefect(tmp_path) is None, "its revision is one that the installed Prefect knows"
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.slow
def test_the_script_is_what_the_migrations_make(tmp_path):
    path = migrated(tmp_path)
    assert script_of(path) == script_path().read_text()
    made = tmp_path / "prefect.db"
    make_prefect_store(made)
    settings = []
    for each in (path, made):
        with closing(sqlite3.connect(each)) as database:
            names = ("user_version", "application_id", "journal_mode", "encoding", "auto_vacuum", "page_size")
            settings.append([database.execute(f"PRAGMA {name}").fetchone() for name in names])
    assert settings[0] == settings[1]


def test_a_store_that_is_there_stays(tmp_path):
    path = tmp_path / "prefect.db"
    path.write_bytes(b"somebody's")
    make_prefect_store(path)
    assert path.read_bytes() == b"somebody's"


def test_a_store_that_another_command_has_made_meanwhile_stays(tmp_path, monkeypatch):
    path = tmp_path / "prefect.db"
    link = new_prefect_store.os.link

    def later(part, target):
        path.write_bytes(b"the other's")
        link(part, target)

    monkeypatch.setattr(new_prefect_store.os, "link", later)
    make_prefect_store(path)
    assert path.read_bytes() == b"the other's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_part_that_a_killed_command_left_is_not_in_the_way_and_that_of_another_command_stays(tmp_path):
    left, others = (tmp_path / f".prefect.db.{pid}.part" for pid in (os.getpid(), f"{os.getpid()}7"))
    for part in (left, others):
        with closing(sqlite3.connect(part)) as database:
            database.execute("CREATE TABLE flow (id)")
    make_prefect_store(tmp_path / "prefect.db")
    assert script_of(tmp_path / "prefect.db") == script_path().read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == [others.name, "prefect.db"]


def test_what_cannot_be_made_is_left_to_prefect(tmp_path, monkeypatch):
    make_prefect_store(tmp_path / "nowhere" / "prefect.db")
    monkeypatch.setattr(new_prefect_store, "script_path", lambda: tmp_path / "4.0.0.sql")
    make_prefect_store(tmp_path / "prefect.db")
    (tmp_path / "4.0.0.sql").write_text("no SQL")
    make_prefect_store(tmp_path / "prefect.db")
    assert [path.name for path in tmp_path.iterdir()] == ["4.0.0.sql"]

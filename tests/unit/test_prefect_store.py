"""The database of the embedded servers is a view: one that Prefect cannot start on is set aside and reported, others stay."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tasks.tracking.store_files import prefect_path, set_prefect_aside

KNOWN, UNKNOWN = "9725c1cbee35", "0123456789ab"
"""Revisions of Prefect's database: the first that there was, and none."""


def database(home, *statements: str) -> None:
    prefect_path(home).parent.mkdir(parents=True)
    with closing(sqlite3.connect(prefect_path(home))) as made, made:
        for statement in statements:
            made.execute(statement)


def version(revision: str) -> list[str]:
    return ["CREATE TABLE alembic_version (version_num VARCHAR)", f"INSERT INTO alembic_version VALUES ('{revision}')"]


def test_a_damaged_one_is_set_aside_with_what_sqlite_keeps_beside_it(tmp_path):
    path = prefect_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"torn" * 1000)
    path.with_name("prefect.db-wal").write_bytes(b"more")
    shown = set_prefect_aside(tmp_path)
    assert shown is not None
    assert "prefect/prefect.db is damaged (file is not a database)" in shown
    assert "set aside as prefect.db.damaged" in shown
    assert {left.name for left in path.parent.glob("prefect.db*")} - {"prefect.db.damaged-wal"} == {"prefect.db.damaged"}
    assert set_prefect_aside(tmp_path) is None


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (version(UNKNOWN), f"of another version of Prefect (revision {UNKNOWN})"),
        (["CREATE TABLE t (a)"], "no database of Prefect"),
    ],
)
def test_one_of_another_version_or_program_is_set_aside(tmp_path, statements, reason):
    database(tmp_path, *statements)
    assert reason in str(set_prefect_aside(tmp_path))
    assert not prefect_path(tmp_path).exists()


@pytest.mark.parametrize("statements", [version(KNOWN), [], version(KNOWN)[:1]])
def test_one_of_this_or_an_older_version_is_kept(tmp_path, statements):
    database(tmp_path, *statements)
    assert set_prefect_aside(tmp_path) is None
    assert prefect_path(tmp_path).exists()


def test_without_a_database_nothing_happens(tmp_path):
    assert set_prefect_aside(tmp_path) is None
    assert list(tmp_path.iterdir()) == []

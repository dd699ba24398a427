"""The link to a report in Prefect stays right: at another port of `bertft ui`, in a home that was moved, beside another one."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from bertft_core.storage.study_dir import StudyDir
from flows.cli.embedded_server import free_port
from flows.cli.report_pages import serve_reports
from tasks.report_address import ABOUT, page_address, report_link
from tasks.report_links import TABLES, follow_reports
from tasks.tracking.new_store import make_store
from tasks.tracking.store_files import prefect_path

STUDY = "my study"
OTHER = "[elsewhere](https://mlflow.example/#/x)"


def keep(home: Path, *links: str) -> None:
    """As a run does: each link as an artifact, and as the latest one of its key."""
    if not prefect_path(home).exists():
        prefect_path(home).parent.mkdir(parents=True)
        make_store("prefect", prefect_path(home))
    with closing(sqlite3.connect(prefect_path(home))) as database, database:
        for i, link in enumerate(links):
            values = (str(i), json.dumps(link), "as it was")
            database.execute("INSERT INTO artifact (id, data, description) VALUES (?, ?, ?)", values)
            database.execute(
                "INSERT INTO artifact_collection (id, key, latest_id, data, description) VALUES (?1, ?1, ?1, ?2, ?3)", values
            )


def kept(home: Path, table: str = TABLES[0]) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(prefect_path(home))) as database:
        rows = database.execute(f"SELECT data, description FROM {table} ORDER BY id").fetchall()
    return [(json.loads(data), about) for data, about in rows]


@pytest.fixture
def home(tmp_path) -> Path:
    """Of one run, whose report is there."""
    study_dir = StudyDir(tmp_path / "home", STUDY)
    study_dir.report_dir.mkdir(parents=True)
    (study_dir.report_dir / "report.html").write_text("answer")
    keep(tmp_path / "home", as_written(study_dir)[0], OTHER)
    return tmp_path / "home"


def as_written(study_dir: StudyDir, *port: int) -> tuple[str, str]:
    """The artifact of a run in this home, where its reports are at this port."""
    link, opened_by = report_link(study_dir, None, *port)
    return f"[{study_dir.report_dir / 'report.html'}]({link})", ABOUT.format(opened_by=opened_by)


@pytest.mark.parametrize("table", TABLES)
def test_the_link_leads_to_the_port_where_the_reports_are_now(home, table):
    port = free_port()
    with ExitStack() as stack:
        serve_reports(stack, home, port)
        follow_reports(home, port)
        (link, about), other = kept(home, table)
        assert (link, about) == as_written(StudyDir(home, STUDY), port)
        assert httpx.get(link.partition("](")[2].rstrip(")"), trust_env=False).text == "answer"
        assert other == (OTHER, "as it was")


def test_the_link_of_a_moved_home_names_the_new_one(home, tmp_path):
    moved = Path(shutil.move(home, tmp_path / "moved"))
    follow_reports(moved, 6000, lambda address: True)  # the address of the old place may answer: that is a copy there
    assert kept(moved)[0] == as_written(StudyDir(moved, STUDY), 6000)


def test_a_link_that_another_ui_of_the_home_answers_stays_until_that_ends(home):
    before, asked = kept(home), []
    follow_reports(home, 6000, lambda address: not asked.append(address))
    assert asked[0] == page_address(StudyDir(home, STUDY))
    assert kept(home) == before
    follow_reports(home, 6000, lambda address: False)
    assert kept(home)[0] == as_written(StudyDir(home, STUDY), 6000)


def test_a_link_at_the_port_of_another_home_is_corrected(home, tmp_path):
    (tmp_path / "other").mkdir()
    taken, port = free_port(), free_port()
    with ExitStack() as stack:
        serve_reports(stack, tmp_path / "other", taken)
        follow_reports(home, taken, lambda address: False)
        follow_reports(home, port)
    assert kept(home)[0] == as_written(StudyDir(home, STUDY), port)


def test_a_home_that_never_ran_with_its_own_prefect_has_no_links(tmp_path):
    follow_reports(tmp_path, 6000)
    assert list(tmp_path.iterdir()) == []

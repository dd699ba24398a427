"""`bertft ui` serves the reports of its home over HTTP, and no other file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bertft_core.storage.study_dir import StudyDir
from flows.cli.embedded_server import free_port
from flows.cli.report_pages import serve_reports
from tasks.report_address import home_key, page_address, report_link

SEARCH = "sweep/full-1a2b3c4d/report.html"
RUN = '<span class="run" data-run="0a">0a</span>'
FILES = {"report/report.html": f"answer {RUN}", "report/tables/results.csv": "table", SEARCH: "search", "config.json": "secret"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name, text in FILES.items():
        path = StudyDir(home, "my study").path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (home / "mlflow.db").write_text("secret")
    (StudyDir(home, "my study").report_dir / "leak.txt").symlink_to(home / "mlflow.db")
    return home


@pytest.fixture(scope="module")
def pages(home) -> Iterator[httpx.Client]:
    port = free_port()
    with ExitStack() as stack:
        serve_reports(stack, home, port, {"my study": {"0a": "http://127.0.0.1:5000/#/run"}}.__getitem__)
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}/{home_key(home)}/", trust_env=False))
        yield client


def test_the_address_of_a_report_is_that_of_the_page(pages, home):
    address = page_address(StudyDir(home, "my study"), pages.base_url.port or 0)
    answer = pages.get(address)
    assert (answer.status_code, answer.text.partition(" ")[0]) == (200, "answer")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


def test_the_runs_of_a_report_lead_to_mlflow(pages):
    link = '<a class="run" data-run="0a" href="http://127.0.0.1:5000/#/run" target="_blank" rel="noopener">0a</a>'
    assert pages.get("my%20study/report/report.html").text == f"answer {link}"


def test_a_link_from_the_report_to_a_table_or_a_search_leads_on(pages):
    assert pages.get("my%20study/report/tables/results.csv").text == "table"
    assert pages.get(f"my%20study/report/../{SEARCH}").text == "search"


@pytest.mark.parametrize(
    "path",
    [
        "my%20study/config.json",
        "my%20study/report/../config.json",
        "my%20study/report/%2e%2e/config.json",
        "my%20study/report/..%2f..%2f..%2fmlflow.db",
        "my%20study/report/leak.txt",
        "my%20study/report/",
        "my%20study/report/%00",
        "my%20study/sweep/full-1a2b3c4d/journal.log",
        "../mlflow.db",
        "my%20study/report/" + "x" * 300,
        "other/report/report.html",
    ],
)
def test_no_other_file_is_served(pages, path):
    answer = pages.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_the_page_of_another_home_is_not_found(pages):
    other = str(pages.base_url).replace(pages.base_url.path.strip("/"), "0" * 12)
    assert pages.get(f"{other}my%20study/report/report.html").status_code == 404


def test_a_site_whose_name_leads_here_reads_nothing(pages):
    assert pages.get("my%20study/report/report.html", headers={"Host": "evil.example"}).status_code == 403


def test_a_link_says_what_must_run_for_it(home):
    study_dir = StudyDir(home, "my study")
    link, opens = report_link(study_dir, None)
    assert link == page_address(study_dir)
    assert opens == f"opens while this runs: bertft ui --home {home}"
    assert report_link(study_dir, "https://mlflow.example/#/x") == ("https://mlflow.example/#/x", "opened by MLflow's server")

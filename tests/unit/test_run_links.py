"""Runs on a page become links where MLflow has an address, and the report still counts as made from the same records."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from bertft_core.report.report_seal import sealed_summary
from bertft_core.report.run_links import link_report, with_run_links
from bertft_core.report.study_report import write_report
from tasks.mlflow_address import browser_address
from tasks.tracking.mlflow_store import run_addresses
from tests.helpers.evaluated_studies import sealed_results
from tests.helpers.report_pages import Page

pytestmark = pytest.mark.usefixtures("blank_pictures")

TWO = 'a <span class="run" data-run="0a"><code title="0a">0a</code></span>, b <span class="run" data-run="0b">0b</span>'


def test_a_run_with_an_address_becomes_a_link_and_another_stays():
    linked = with_run_links(TWO, {"0a": 'http://here/#/x"y', "0c": "http://elsewhere"})
    href = "http://here/#/x&quot;y"
    assert linked == (
        f'a <a class="run" data-run="0a" href="{href}" target="_blank" rel="noopener"><code title="0a">0a</code></a>, '
        'b <span class="run" data-run="0b">0b</span>'
    )
    assert with_run_links(linked, {"0a": 'http://here/#/x"y'}) == linked
    assert 'href="http://moved"' in with_run_links(linked, {"0a": "http://moved"})
    assert with_run_links(linked, {}) == linked


def test_every_run_of_the_table_gets_its_link_and_the_report_stays_sealed(tmp_path):
    results = sealed_results(tmp_path)
    path = results.study_dir.report_dir / "report.html"
    plain = path.read_text()
    assert [link for link in Page(plain).links if not link.startswith("#")] == [], "a link on disk would be dead"
    addresses = {spec.digest: f"http://lab/{spec.digest}" for spec in results.planned}
    link_report(results.study_dir, addresses)
    links = [link for link in Page(path.read_text()).links if not link.startswith("#")]
    assert sorted(links) == sorted(addresses.values())
    assert re.sub("</?(a|span)[^>]*>", "", path.read_text()) == re.sub("</?(a|span)[^>]*>", "", plain)
    assert sealed_summary(results) == results.summary
    before = path.stat().st_mtime_ns
    link_report(results.study_dir, addresses)
    assert path.stat().st_mtime_ns == before


def test_a_report_written_anew_keeps_its_links(tmp_path):
    results = sealed_results(tmp_path)
    path = results.study_dir.report_dir / "report.html"
    link_report(results.study_dir, {spec.digest: f'http://lab/?a=1&b="{spec.digest}' for spec in results.planned[1:]})
    linked = path.read_text()
    write_report(results)
    assert path.read_text() == linked
    assert linked.count("http://lab/") == len(results.planned) - 1
    path.unlink()
    write_report(results)
    assert "http://lab/" not in path.read_text()


def test_of_two_runs_with_one_digest_the_newest_is_linked():
    def run(run_id: str, digest: str | None, started: int) -> SimpleNamespace:
        tags = {} if digest is None else {"bertft.run_digest": digest}
        info = SimpleNamespace(run_id=run_id, experiment_id="7", start_time=started)
        return SimpleNamespace(info=info, data=SimpleNamespace(tags=tags))

    runs = [run("new", "0a", 2), run("old", "0a", 1), run("foreign", None, 3)]
    assert run_addresses(runs, "http://lab") == {"0a": "http://lab/#/experiments/7/runs/new?workflowType=machine_learning"}


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        (None, None),
        ("sqlite:////home/mlflow.db", None),
        ("http://lab:5000/", "http://lab:5000"),
        ("https://me:secret@lab/mlflow", "https://lab/mlflow"),
    ],
)
def test_only_a_server_has_pages_and_no_link_has_a_password(uri, address):
    assert browser_address(uri) == address

"""What a person sees of a study on the pages that `bertft ui` prints: MLflow's seeds, and Prefect's flow run.

The form of MLflow's saved view is documented nowhere, and both pages change from version to version: here they are opened.
Every page is also photographed into pytest's folder. Needs chromium; without it the tests fail with the command that installs it.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from bertft_core.report.prose import study_title
from flows.cli.embedded_server import free_port
from tasks.tracking.shared_view import in_address
from tests.helpers.browser import PATIENCE_MS, SCREENS, Seen, chromium, contrast
from tests.helpers.study_commands import FEATURES, Started, TinyStudy, clean_environment, still_alive

SHOWN = ("MLflow: its seeds", "Prefect: the study", "Report: tiny")
SEEDS = [f"{arm} · seed 00{seed}" for arm in ("features", "full") for seed in range(3)]
LEGIBLE = 4.5
"""Contrast of WCAG 2, level AA."""
FIRST_PLOT_SECONDS = 45.0
"""Four on an idle machine, fifteen beside two full test runs; with thousands of metric names it took up to fifty."""
MOST_NODES = 5_000
"""Of the page with charts; it was 15,497 once."""


class Pages(NamedTuple):
    """A finished study, and the links that `bertft ui` prints for it."""

    study: TinyStudy
    links: dict[str, str]


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory, shared) -> Iterator[Pages]:
    """Of two arms with three seeds each, run with a Prefect of its own."""
    arms = {"features": FEATURES, "full": {}}
    asked = {"arms": arms, "seeds": {"n": 3}, "description": "Does full fine-tuning help?"}
    study = TinyStudy(tmp_path_factory.mktemp("pages"), shared, clean_environment(), **asked)
    study.run()
    words = ["ui", "--home", str(study.home), "--study", study.name, "--port", str(free_port())]
    printed = study.config.parent / "ui.txt"
    with printed.open("w") as stdout:
        command = [sys.executable, "-m", "flows.cli.app", *words]
        started = Started(command, study.environment, study.config.parent / "ui-stderr.txt", stdout=stdout)
    try:
        started.until(lambda: all(name in printed.read_text() for name in SHOWN), "every page answered")
        yield Pages(study, dict(re.findall(r"^  (\S.*?) {2,}(\S+)$", printed.read_text(), re.MULTILINE)))
    finally:
        below = started.end(signal.SIGTERM)
        started.wait()
    assert still_alive(below, within_seconds=20) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_the_answer_is_on_the_first_screen_of_prefects_page(browser, pages, tmp_path, screen, scheme):
    with Seen(browser, pages.links["Prefect: the study"], screen, scheme) as seen:
        title = seen.page.get_by_text(study_title.title(pages.study.summary))
        title.wait_for()
        seen.page.screenshot(path=tmp_path / "flow-run.png")
        assert re.search(r"^tiny: full is \S+ points \(accuracy, test\) (above|below) features: ", title.inner_text())
        assert seen.on_first_screen(title)
        assert contrast(title) >= LEGIBLE
        assert seen.overflowing() == []


@pytest.mark.slow
def test_the_report_opens_from_prefects_page(browser, pages, tmp_path):
    with Seen(browser, pages.links["Prefect: the study"]) as seen:
        page = seen.page
        page.get_by_text("Artifacts", exact=True).first.click()
        page.get_by_text("tiny-result").first.wait_for()
        page.screenshot(path=tmp_path / "artifacts.png", full_page=True)
        page.get_by_text("tiny-report").first.click()
        link = page.locator(f"a[href='{pages.links['Report: tiny']}']").first
        link.wait_for()
        page.screenshot(path=tmp_path / "artifact.png")
        page.goto(link.get_attribute("href"))
        assert page.locator("#answer").is_visible()


@pytest.mark.slow
def test_a_run_of_the_report_leads_to_its_page_in_mlflow(browser, pages, tmp_path):
    with Seen(browser, pages.links["Report: tiny"] + "#seeds") as seen:
        links = seen.page.locator("#seeds a.run")
        assert links.count() == len(SEEDS)
        with seen.page.context.expect_page() as opened:
            links.first.click()
        run = opened.value
        run.set_default_timeout(PATIENCE_MS)
        run.get_by_text("features · seed 000").first.wait_for()
        run.screenshot(path=tmp_path / "run.png")
        run.close()


def names(seen: Seen) -> list[str]:
    """Of the runs in MLflow's list, from the top."""
    seen.page.get_by_text(SEEDS[-1]).wait_for()
    rows = seen.page.get_by_text(re.compile(r"^\S+ · seed \d+$")).all()
    return [row.inner_text() for row in sorted(rows, key=lambda row: row.bounding_box()["y"])]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_mlflows_page_shows_the_answer_and_lists_the_seeds_by_arm(browser, pages, tmp_path, scheme):
    link = pages.links["MLflow: its seeds"]
    with Seen(browser, link, "wide", scheme) as seen:
        page = seen.page
        for visit in ("first", "second"):
            if visit == "second":
                page.evaluate("localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')")
                page.goto("about:blank")
                page.goto(link)
            assert names(seen) == SEEDS
            page.screenshot(path=tmp_path / f"{visit}.png")
            shown = [*SEEDS, "Group: features", "Group: full", "best/test/accuracy", "seed_index", "Does full fine-tuning help?"]
            # MLflow opens its Assistant at a browser's first visit, and no setting of the server keeps it shut
            shown += ["bertft.status"] if visit == "second" else []
            for text in shown:
                assert seen.on_first_screen(page.get_by_text(text, exact=True).first), text
            assert seen.on_first_screen(page.get_by_text(re.compile("full is .* (above|below) features")).first)


@pytest.mark.slow
def test_mlflows_page_lists_the_seeds_where_there_is_no_view(browser, pages, tmp_path):
    address = pages.links["MLflow: its seeds"].partition("&")[0]
    with Seen(browser, f"{address}&{in_address({})}") as seen:
        assert names(seen) == SEEDS
        seen.page.screenshot(path=tmp_path / "plain.png")


@pytest.mark.slow
def test_mlflows_charts_are_there_soon(browser, pages, tmp_path):
    began = time.monotonic()
    with Seen(browser, f"{pages.links['MLflow: its seeds']}&compareRunsMode=CHART") as seen:
        seen.page.locator(".js-plotly-plot .main-svg").first.wait_for()
        assert time.monotonic() - began < FIRST_PLOT_SECONDS
        seen.page.screenshot(path=tmp_path / "charts.png")
        assert seen.page.evaluate("document.querySelectorAll('*').length") < MOST_NODES

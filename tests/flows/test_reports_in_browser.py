"""What a person sees of a report in a browser, on a screen and on a phone: of a study, and of a search.

Every page is also photographed into pytest's folder. Needs chromium; without it the tests fail with the command that installs it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bertft_core.report.run_links import with_run_links
from bertft_core.sweep.search_report import write_sweep_report
from tests.helpers import browser as helper
from tests.helpers.browser import SCREENS, Seen, chromium, contrast
from tests.helpers.made_up_searches import finished as finished_search
from tests.helpers.report_pages import write_small_report

LEGIBLE = 4.5
"""Contrast of WCAG 2, level AA."""
EVERY_LOOK = [(screen, scheme) for screen in SCREENS for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Of two arms with three seeds each, one of them searched, and a claim."""
    path, *_ = write_small_report(tmp_path_factory.mktemp("report"))
    return path


def test_a_machine_without_chromium_is_told_how_to_install_it(monkeypatch):
    monkeypatch.setattr(helper, "CHROMIUM", Path("/nowhere/chromium"))
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"), chromium():
        pass


@pytest.mark.slow
@pytest.mark.parametrize(("screen", "scheme"), EVERY_LOOK)
def test_the_answer_of_a_report_is_on_the_first_screen(browser, report, tmp_path, screen, scheme):
    with Seen(browser, report.as_uri(), screen, scheme) as seen:
        page = seen.page
        page.screenshot(path=tmp_path / "report.png")
        verdict = page.locator("#answer .verdict")
        assert verdict.locator(".chip").inner_text() == "better"
        assert verdict.locator("strong").inner_text() == "+20.0 points"
        interval = verdict.get_by_text("95 % interval")
        for part in (verdict.locator(".chip"), verdict.locator("strong"), interval):
            assert seen.on_first_screen(part)
            assert contrast(part) >= LEGIBLE
        assert len(interval.evaluate("e => [...e.getClientRects()]")) == 1, "broken between a number and its unit"
        assert seen.overflowing() == []
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert seen.overflowing() == []
        page.screenshot(path=tmp_path / "unfolded.png", full_page=True)
        assert seen.requests == [report.as_uri()]
        assert seen.errors == []


@pytest.mark.slow
def test_in_the_frame_of_mlflow_no_link_is_dead(browser, report, tmp_path):
    """The frame is sandboxed: in it a browser opens no other page."""
    digest = re.search('data-run="([0-9a-f]+)"', report.read_text())[1]
    (tmp_path / "report.html").write_text(with_run_links(report.read_text(), {digest: "http://lab/run"}))
    frame = '<iframe src="report.html" sandbox="allow-scripts" width="1300" height="800"></iframe>'
    (tmp_path / "page.html").write_text(frame)
    with Seen(browser, (tmp_path / "page.html").as_uri()) as seen:
        inside = seen.page.frame_locator("iframe")
        inside.locator("a.run").first.wait_for(state="attached")
        outside = inside.locator("a:not([href^='#'])")
        assert outside.count() >= 2, "a run, and the search's report"
        assert [link.get_attribute("href") for link in outside.all()] == [None] * outside.count()
        assert "http://lab/run" in [link.get_attribute("title") for link in outside.all()]
    with Seen(browser, (tmp_path / "report.html").as_uri()) as seen:
        assert seen.page.locator("a.run").first.get_attribute("href") == "http://lab/run"


@pytest.mark.slow
@pytest.mark.parametrize("screen", SCREENS)
def test_the_links_of_a_report_open_its_parts(browser, report, screen):
    with Seen(browser, report.as_uri(), screen) as seen:
        page = seen.page
        links = page.locator("nav a").all()
        assert len(links) >= 8
        for link in links:
            part = page.locator(link.get_attribute("href"))
            link.click()
            assert part.evaluate("e => e.tagName === 'SECTION' || e.open")
            title, bar = part.locator("h2").first.bounding_box(), page.locator("nav").bounding_box()
            assert bar["y"] >= 0, "the navigation stays"
            assert bar["y"] + bar["height"] <= title["y"] <= SCREENS[screen][1] - title["height"]
        folded = page.locator("#answer details")
        folded.locator("summary").click()
        assert folded.locator("table").is_visible()
        assert seen.errors == []


@pytest.mark.slow
def test_the_run_table_of_a_report_is_sorted_by_mouse_and_keyboard(browser, report):
    with Seen(browser, f"{report.as_uri()}#seeds") as seen:
        table = seen.page.locator("#seeds table.sortable")
        title = table.locator("thead th", has_text="test")
        column = title.evaluate("e => e.cellIndex")
        scores = [0.6, 0.65, 0.7, 0.8, 0.85, 0.9]
        for act, expected in ((title.click, scores), (lambda: title.press("Enter"), scores[::-1])):
            act()
            rows = table.locator("tbody tr").all()
            assert [float(row.locator("th, td").nth(column).inner_text()) for row in rows] == expected
        assert title.get_attribute("aria-sort") == "descending"


@pytest.fixture(scope="module")
def search_report(tmp_path_factory) -> Path:
    """Of twenty trials, of which ten are complete: every picture is drawn."""
    directory = tmp_path_factory.mktemp("search")
    search, result = finished_search(directory, n_trials=20)
    return write_sweep_report(search, result, directory / "report.html")


@pytest.mark.slow
@pytest.mark.parametrize(("screen", "scheme"), EVERY_LOOK)
def test_the_choice_of_a_search_is_on_the_first_screen_of_its_report(browser, search_report, tmp_path, screen, scheme):
    with Seen(browser, search_report.as_uri(), screen, scheme) as seen:
        seen.page.locator(".js-plotly-plot .main-svg").first.wait_for()
        seen.page.screenshot(path=tmp_path / "search.png")
        answer = seen.page.locator("p", has_text="Chosen:")
        assert re.search(r"learning_rate = .*batch_size = \d+ \(trial \d+, .*accuracy 0\.\d{4}\)", answer.inner_text())
        assert seen.on_first_screen(answer)
        assert contrast(answer) >= LEGIBLE
        assert contrast(seen.page.locator(".note").first) >= LEGIBLE
        assert seen.overflowing() == []
        assert seen.requests == [search_report.as_uri()]
        assert seen.errors == []

"""What a person sees of a report in a browser, on a screen and on a phone: of a study, and of a search.

Every page is also photographed into pytest's folder. Needs chromium; without it the tests fail with the command that installs it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bertft_core.report.run_links import with_run_links
from bertft_core.storage.study_dir import StudyDir
from bertft_core.sweep.search_report import write_sweep_report
from flows.cli.app import main
from tests.helpers import browser as helper
from tests.helpers.browser import SCREENS, Seen, chromium, contrast
from tests.helpers.made_up_searches import finished as finished_search
from tests.helpers.report_pages import write_small_report
from tests.helpers.stored_studies import unpack

LEGIBLE = 4.5
"""Contrast of WCAG 2, level AA."""
A4_WIDTH = 718
"""In CSS pixels, between margins of a centimetre."""
# A part whose content is wider than it is shows only the first of it on paper; one that cuts on purpose is in no report.
CUT = """() => [...document.querySelectorAll("main *")]
  .filter((e) => e.checkVisibility() && getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1)
  .map((e) => `${e.tagName} .${e.getAttribute("class")} ${e.textContent.trim().slice(0, 60)}`)"""
# Width, height and number of colours of a picture.
PIXELS = """async (address) => {
  const image = new Image(), canvas = document.createElement("canvas");
  image.src = address;
  await image.decode();
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data.buffer;
  return [image.width, image.height, new Set(new Uint32Array(bytes)).size];
}"""
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


@pytest.fixture(scope="module")
def long_report(tmp_path_factory) -> Path:
    """With every part that a report can have but crossed seeds, of a study that an earlier version has stored."""
    home = unpack(tmp_path_factory.mktemp("stored"))
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["report", "rich", "--home", str(home), "-q"])
    return StudyDir(home, "rich").report_dir / "report.html"


@pytest.mark.slow
def test_every_link_of_a_long_report_is_seen_on_a_wide_screen(browser, long_report, tmp_path):
    with Seen(browser, long_report.as_uri()) as seen:
        seen.page.screenshot(path=tmp_path / "navigation.png")
        bar = seen.page.locator("nav")
        assert bar.evaluate("e => e.scrollWidth <= e.clientWidth"), "the navigation scrolls sideways"
        links = bar.locator("a").all()
        assert len(links) >= 20
        for link in links:
            assert seen.on_first_screen(link), link.inner_text()
        links[-1].click()
        title = seen.page.locator(f"{links[-1].get_attribute('href')} h2").first
        assert title.bounding_box()["y"] >= bar.bounding_box()["y"] + bar.bounding_box()["height"], "hidden by the navigation"
        assert seen.errors == []


@pytest.mark.slow
def test_a_printed_report_is_whole(browser, long_report, tmp_path):
    """As wide as A4 between margins of a centimetre: nothing is folded, scrolls, or is wider than the page."""
    with Seen(browser, long_report.as_uri()) as seen:
        page = seen.page
        page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
        page.set_viewport_size({"width": A4_WIDTH, "height": 1000})
        page.emulate_media(media="print")
        shown = page.locator("details > *:not(summary)")
        assert shown.count() >= 50
        assert shown.evaluate_all("all => all.filter((e) => !e.checkVisibility() && !e.closest('svg.phone')).length") == 0
        assert page.locator("nav, button").evaluate_all("all => all.filter((e) => e.checkVisibility()).length") == 0
        assert page.evaluate(CUT) == []
        assert seen.overflowing() == []


def size_of(drawing) -> list[float]:
    return [float(number) for number in drawing.get_attribute("viewBox").split()[2:]]


@pytest.mark.slow
@pytest.mark.parametrize("screen", SCREENS)
def test_the_buttons_of_a_figure_save_the_drawing_that_is_seen(browser, report, tmp_path, screen):
    """Another one is there for the other width, whose points lie elsewhere."""
    with Seen(browser, report.as_uri(), screen) as seen:
        figure = seen.page.locator("#answer figure").first
        drawings = figure.locator(":scope > svg")
        assert drawings.count() == 2
        (drawing,) = [each for each in drawings.all() if each.is_visible()]
        (hidden,) = [each for each in drawings.all() if not each.is_visible()]
        size = size_of(drawing)
        assert size != size_of(hidden)
        saved = {}
        for kind in ("SVG", "PNG"):
            with seen.page.expect_download() as started:
                figure.get_by_role("button", name=kind).click()
            assert started.value.suggested_filename == f"small-1.{kind.lower()}"
            saved[kind] = tmp_path / started.value.suggested_filename
            started.value.save_as(saved[kind])
        svg = ElementTree.parse(saved["SVG"]).getroot()
        assert [float(svg.get(name)) for name in ("width", "height")] == size
        assert {each.text for each in svg.iter("{http://www.w3.org/2000/svg}text")} >= set(
            drawing.locator("text").all_text_contents()
        )
        n_unknown = saved["SVG"].read_text().count("var(")
        assert n_unknown == 0, "colours that only the page knows"
        png = f"data:image/png;base64,{b64encode(saved['PNG'].read_bytes()).decode()}"
        width, height, n_colours = seen.page.evaluate(PIXELS, png)
        assert [width, height] == [int(2 * number) for number in size]
        assert n_colours > 20, "an empty picture"
        with Seen(browser, saved["SVG"].as_uri(), screen) as alone:
            alone.page.screenshot(path=tmp_path / "alone.png")
            assert alone.errors == []
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

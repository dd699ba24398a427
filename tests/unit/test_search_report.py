"""The Optuna report: one file that needs no network, readable with any number of trials, the same bytes for the same journal."""

import re
from html.parser import HTMLParser

import pytest

from bertft_core.sweep.search_report import write_sweep_report
from bertft_core.sweep.trial_rules import TrialOutcome
from tests.helpers.made_up_searches import LEARNING_RATES, finished, make_search

HEADINGS = [
    "Trials",
    "History",
    "Validation during training",
    "Importances",
    "Slice",
    "Contour of learning rate × batch size",
    "Parallel coordinates",
    "Timeline",
]
NOT_DRAWN = "Not drawn: there are too few complete trials, or they are too alike."
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Headings, words, links and scripts of a page."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.words, self.loads, self.scripts, self._tag = [], [], [], [], None
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))
        self.plots = [script for script in self.scripts if "Plotly.newPlot(" in script and len(script) < 1_000_000]

    def handle_starttag(self, tag, attributes):
        self._tag = tag
        self.loads += [(tag, name) for name, _ in attributes if name in ("src", "href", "data", "action", "srcset")]

    def handle_endtag(self, tag):
        self._tag = None

    def handle_data(self, data):
        if self._tag == "script":
            self.scripts.append(data)
        elif self._tag != "style":
            self.words.append(data)
        if self._tag in ("h1", "h2"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def written(done):
    search, result = done
    return write_sweep_report(search, result, search.journal_path.parent / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(written):
    return Page(written)


def test_the_page_has_every_plot(page):
    assert page.headings == ["Search of small/full", *HEADINGS]
    assert len(page.plots) == 7
    assert NOT_DRAWN not in page.text


def test_the_page_loads_nothing(written, page):
    assert page.loads == []
    assert "default-src 'none'" in written
    assert "@import" not in written.split("</style>")[0]
    plotly = [script for script in page.scripts if len(script) > 1_000_000]
    assert len(plotly) == 1, "plotly is inside, once"
    assert len(written) < 6_000_000


def test_the_table_has_every_trial_and_the_chosen_one_stands_out(written, done, page):
    _, result = done
    best = result.trials[result.best_trial]
    assert written.count("<tr>") + written.count('<tr class="best">') == 1 + len(result.trials)
    (row,) = re.findall(r'<tr class="best">(.*?)</tr>', written, flags=re.DOTALL)
    cells = [cell.strip() for cell in re.findall(r"<td>(.*?)</td>", row)]
    learning_rate, batch_size = f"{best.params['learning_rate']:.4g}", str(best.params["batch_size"])
    per_seed = ", ".join(f"{score:.4f}" for score in best.scores)
    assert cells == [str(best.number), "complete", learning_rate, batch_size, f"{best.score:.4f}", per_seed]
    assert f"mean best validation accuracy {result.best_score:.4f}" in page.text
    assert "10 of 10 planned trials, 3 search seeds each" in page.text
    assert "higher is better" in page.text


def test_axes_have_names_and_the_learning_rate_is_logarithmic(page):
    history, validation, importances, slices, contour, parallel, timeline = page.plots
    for plot in (history, slices, contour, parallel):
        assert '"text":"mean best validation accuracy"' in plot or '"label":"mean best validation accuracy"' in plot
    assert '"text":"validation accuracy"' in validation
    assert '"text":"setting"' in importances
    assert '"text":"trial"' in timeline
    for plot in (slices, contour):
        assert '"text":"learning_rate"' in plot
        assert '"type":"log"' in plot
        assert '"exponentformat":"e"' in plot
    assert "Objective Value" not in "".join(page.plots)


def test_no_text_has_a_number_of_many_digits(page):
    texts = [text for plot in page.plots for text in re.findall(r'"text":\[(.*?)\]', plot)]
    assert any("learning_rate" in text for text in texts)
    for text in [*texts, page.text]:
        assert not re.search(r"\.\d{8}|[0-9a-f]{16}", text)


def test_no_plot_holds_a_number_that_is_none(page):
    for plot in page.plots:
        assert not re.search(r"\b(NaN|Infinity)\b", plot)
    assert "nan" not in page.text


def test_the_same_journal_gives_the_same_page(done, written, tmp_path):
    search, result = done
    again = make_search(search.journal_path.parent)
    assert write_sweep_report(again, result, tmp_path / "again.html").read_text(encoding="utf-8") == written


@pytest.mark.parametrize(("n_trials", "n_plots"), [(1, 3), (2, 6)])
def test_with_few_trials_a_sentence_stands_where_a_plot_cannot_be_drawn(tmp_path, n_trials, n_plots, capfd):
    """The first two trials have the same batch size, over which there is no contour."""
    search, result = finished(tmp_path, n_trials=n_trials, pruner="none")
    page = Page(write_sweep_report(search, result, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.headings[1:] == HEADINGS
    assert len(page.plots) == n_plots
    assert page.text.count(NOT_DRAWN) == 7 - n_plots
    assert capfd.readouterr() == ("", "")


def test_trials_that_are_all_alike_are_drawn_as_far_as_they_can_be(tmp_path, capfd):
    space = {"learning_rate": LEARNING_RATES, "batch_size": {"choices": [8]}}
    search = make_search(tmp_path, space=space, n_trials=4)
    for trial in search.next_batch():
        search.tell(trial.number, TrialOutcome(state="complete", scores=(0.5,), intermediate={}, run_digests=()))
    result = search.result(None)
    page = Page(write_sweep_report(search, result, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.text.count(NOT_DRAWN) == 2
    assert not any("NaN" in plot for plot in page.plots)
    assert capfd.readouterr() == ("", "")


def test_one_setting_has_no_contour(tmp_path):
    search, result = finished(tmp_path, space={"weight_decay": {"low": 0.0, "high": 0.1}}, n_trials=4)
    page = Page(write_sweep_report(search, result, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.headings[1:] == [heading for heading in HEADINGS if not heading.startswith("Contour")]


def test_names_are_escaped(done, tmp_path):
    search, result = done
    rows = tuple(row.model_copy(update={"params": row.params | {"batch_size": EVIL}}) for row in result.trials)
    evil = result.model_copy(update={"metric": EVIL, "chosen": {EVIL: EVIL}, "trials": rows})
    hostile = make_search(search.journal_path.parent)
    hostile.journal.name = EVIL
    text = write_sweep_report(hostile, evil, tmp_path / "report.html").read_text(encoding="utf-8")
    assert EVIL not in text
    assert Page(text).headings[0] == f"Search of {EVIL}"
    assert text.count("&lt;script&gt;alert(") > len(rows)
    steered = result.model_copy(update={"metric": "\x1b[2J\u202e"})
    text = write_sweep_report(search, steered, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "\\u001b[2J\\u202e" in text
    assert "\x1b" not in text
    assert "\u202e" not in text

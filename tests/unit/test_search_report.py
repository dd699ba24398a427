"""The Optuna report: one file that needs no network, readable with any number of trials, the same bytes for the same journal."""

import json
import re
from functools import partial
from html.parser import HTMLParser

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from bertft_core.sweep.journal_file import seal
from bertft_core.sweep.search_report import write_sweep_report
from bertft_core.sweep.trial_rules import TrialOutcome
from tests.helpers.made_up_searches import LEARNING_RATES, finish, finished, make_search, train

HEADINGS = [
    "Trials",
    "History",
    "Validation during training",
    "Importances",
    "Slice",
    "Contour of learning rate × batch size",
    "Rank",
    "Parallel coordinates",
    "Empirical distribution",
    "Timeline",
]
NOT_DRAWN = "Not drawn: the trials are too alike."
OF_TEN = ["Importances", "Slice", "Contour of learning rate × batch size"]
N_TRIALS = 20
"""Of which ten are complete."""
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
    return finished(tmp_path_factory.mktemp("search"), n_trials=N_TRIALS)


@pytest.fixture(scope="module")
def written(done):
    search, result = done
    return write_sweep_report(search, result, search.journal_path.parent / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(written):
    return Page(written)


def test_the_page_has_every_plot(page):
    assert page.headings == ["Search of small/full", *HEADINGS]
    assert len(page.plots) == 9
    assert NOT_DRAWN not in page.text


def test_the_page_loads_nothing(written, page):
    assert page.loads == []
    assert "default-src 'none'" in written
    assert "@import" not in written.split("</style>")[0]
    plotly = [script for script in page.scripts if len(script) > 1_000_000]
    assert len(plotly) == 1, "plotly is inside, once"
    assert len(written) < 6_000_000


def test_only_complete_trials_have_a_mean_and_pruned_ones_stand_apart(written, done):
    _, result = done
    states = [trial.state for trial in result.trials]
    assert {"complete", "pruned", "failed"} == set(states)
    complete, apart = re.findall(r"<tbody.*?>(.*?)</tbody>", written, flags=re.DOTALL)
    assert (complete.count("<tr"), apart.count("<tr")) == (states.count("complete"), N_TRIALS - states.count("complete"))
    assert 'class="best"' in complete
    assert 'class="best"' not in apart
    for row in re.findall(r"<tr>(.*?)</tr>", apart, flags=re.DOTALL):
        *_, score, per_seed, _ = re.findall(r"<td>(.*?)</td>", row)
        assert score == ""
        assert re.search(r"\((\d of )?3 seeds\)$", per_seed)
    assert "(1 of 3 seeds)" in apart


def test_every_seed_of_every_trial_is_a_point(page, done):
    _, result = done
    for trial in result.trials:
        seeds = "3 seeds" if len(trial.scores) == 3 else f"{len(trial.scores)} of 3 seeds"
        for score in trial.scores:
            assert f"trial {trial.number}, {trial.state}, {seeds}: {score:.4f}" in page.plots[0]


def test_the_timeline_has_a_bar_for_each_run(page, done):
    """Each made-up run takes half a minute, whatever its batch takes."""
    _, result = done
    assert page.plots[-1].count(": 30.0 s") == sum(len(trial.run_digests) for trial in result.trials)
    assert "time (UTC)" in page.plots[-1]
    n_states = len({trial.state for trial in result.trials})
    assert page.plots[-1].count('"width":0.8') == n_states, "bars of trials that are far apart would cover the others"


def test_the_page_has_a_dark_scheme(written):
    assert "prefers-color-scheme: dark" in written.split("</style>")[0]
    assert "Plotly.relayout" in written.rpartition("<script>")[2]


def test_the_table_has_every_trial_and_the_chosen_one_stands_out(written, done, page):
    _, result = done
    best = result.trials[result.best_trial]
    assert written.count("<tr>") + written.count('<tr class="best">') == 1 + len(result.trials)
    (row,) = re.findall(r'<tr class="best">(.*?)</tr>', written, flags=re.DOTALL)
    cells = [cell.strip() for cell in re.findall(r"<td>(.*?)</td>", row)]
    learning_rate, batch_size = f"{best.params['learning_rate']:.4g}", str(best.params["batch_size"])
    of_runs = zip(best.run_digests, best.scores, strict=True)
    per_seed = ", ".join(f'<span class="run" data-run="{digest}">{score:.4f}</span>' for digest, score in of_runs)
    training = f"{30 * len(best.scores):.1f} s"
    assert cells == [str(best.number), "complete", learning_rate, batch_size, f"{best.score:.4f}", per_seed, training]
    assert f"mean best validation accuracy {result.best_score:.4f}" in page.text
    assert f"{N_TRIALS} of {N_TRIALS} planned trials, 3 search seeds each" in page.text
    assert "higher is better" in page.text


def test_axes_have_names_and_the_learning_rate_is_logarithmic(page):
    history, validation, importances, slices, contour, _, parallel, distribution, timeline = page.plots
    for plot in (history, slices, contour, parallel, distribution):
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
    assert any("trial 3" in text for text in texts)
    assert not any("dropout" in plot for plot in page.plots), "the seeds of a run are no text of a point"
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


@pytest.mark.parametrize(
    ("n_trials", "missing"),
    [(1, [OF_TEN, ["Rank", "Parallel coordinates", "Empirical distribution"]]), (2, [OF_TEN]), (9, [OF_TEN]), (10, [])],
)
def test_with_few_trials_one_sentence_names_the_plots_that_say_nothing_yet(tmp_path, n_trials, missing, capfd):
    search = make_search(tmp_path, n_trials=n_trials, pruner="none")
    finish(search, partial(train, diverges_above=1.0))
    left_out = [title for titles in missing for title in titles]
    result = search.result(None)
    page = Page(write_sweep_report(search, result, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.headings[1:] == [heading for heading in HEADINGS if heading not in left_out]
    assert len(page.plots) == 9 - len(left_out)
    for titles, n_needed in zip(missing, (10, 2), strict=False):
        assert f"Not drawn with fewer than {n_needed} complete trials: {', '.join(titles)}." in page.text
    assert page.text.count("Not drawn") == len(missing)
    assert capfd.readouterr() == ("", "")


def test_trials_that_are_all_alike_are_drawn_as_far_as_they_can_be(tmp_path, capfd):
    space = {"learning_rate": LEARNING_RATES, "batch_size": {"choices": [8]}}
    search = make_search(tmp_path, space=space, n_trials=12)
    while batch := search.next_batch():
        for trial in batch:
            search.tell(trial.number, TrialOutcome(state="complete", scores=(0.5,), intermediate={}, run_digests=()))
    result = search.result(None)
    page = Page(write_sweep_report(search, result, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.text.count(NOT_DRAWN) == 3, "of no influence, no surface, and a distribution that is one point"
    assert page.text.split("Empirical distribution")[1].strip().startswith(NOT_DRAWN)
    assert not any("NaN" in plot for plot in page.plots)
    assert capfd.readouterr() == ("", "")


def test_one_setting_has_no_contour(tmp_path):
    search, result = finished(tmp_path, space={"weight_decay": {"low": 0.0, "high": 0.1}}, n_trials=10, pruner="none")
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


def test_a_journal_of_an_older_version_has_its_page_too(tmp_path):
    """It knows no seeds, no times, and no name of the score, which Optuna's own pages then get."""
    search, result = finished(tmp_path)
    path = search.journal_path
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    older = [line for line in lines if not {"runs", "seconds"} & set(line.get("user_attr", {}))]
    older = [line for line in older if "study:metric_names" not in line.get("system_attr", {})]
    older = [line for line in older if not ({"study", "arm", "sampler"} & set(line.get("user_attr", {})))]
    assert len(older) < len(lines) - 2 * len(result.trials)
    path.write_text("".join(json.dumps(line) + "\n" for line in older))
    seal(path)
    again = make_search(tmp_path, tell=pytest.fail)
    assert again.next_batch() == []
    assert again.result(None) == result
    page = Page(write_sweep_report(again, result, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Timeline" in page.headings
    assert " s</td>" not in page.text


def test_optunas_own_pages_know_what_the_score_is_and_what_was_trained(done):
    search, result = done
    study = optuna.load_study(
        study_name=search.journal.name, storage=JournalStorage(JournalFileBackend(str(search.journal_path)))
    )
    assert study.metric_names == ["mean best validation accuracy"]
    assert study.directions == [optuna.study.StudyDirection.MAXIMIZE]
    assert (study.user_attrs["arm"], study.user_attrs["search_digest"]) == ("full", result.digest)
    trial = study.trials[result.best_trial]
    assert trial.user_attrs["run_digests"] == list(result.trials[result.best_trial].run_digests)
    assert trial.user_attrs["seconds"] == 90
    seeds = [run["seeds"]["init"] for run in trial.user_attrs["runs"]]
    assert len(set(seeds)) == 3

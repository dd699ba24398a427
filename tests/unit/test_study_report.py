"""The report: complete, self-contained, escaped, and the same bytes for the same records."""

import csv
import io
import json
import math
import re

import pytest

from bertft_core.config import parse_study
from bertft_core.config.yaml_text import read_yaml
from bertft_core.records import DataFinding, StudySummary
from bertft_core.report.curve_bands import band_of
from bertft_core.report.drawings.lines import Line, line_plot
from bertft_core.report.drawings.ranges import padded
from bertft_core.report.drawings.seed_points import ArmRow, SeedPoint, seed_plot
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import study_text
from bertft_core.report.run_curves import loss_curve, loss_curves
from bertft_core.report.study_as_yaml import study_yaml
from bertft_core.report.styling import page_script
from bertft_core.report.text_table import result_table
from bertft_core.storage.study_dir import checked_record
from tests.helpers.drawn_marks import marks
from tests.helpers.report_pages import EVIL, Page, write_small_report
from tests.helpers.small_records import make_study

SECTIONS = [
    "answer",
    "question",
    "claims",
    "seeds",
    "data",
    "search",
    "curves",
    "confusion",
    "reliability",
    "labels",
    "howmany",
    "cost",
    "failures",
    "reproducibility",
    "paper",
    "again",
    "asked",
]


def test_the_report_has_every_section_and_well_formed_html(tmp_path):
    path, summary, _ = write_small_report(tmp_path)
    page = Page(path.read_text())
    assert [i for i in page.ids if i in SECTIONS] == [each for each in SECTIONS if each != "failures"], "no run has failed"
    assert [link for link in page.links if link.startswith("#")][: len(page.ids)] == [f"#{i}" for i in page.ids]
    text = page.words
    assert all(sentence in text for sentence in study_text.sentences(summary))
    for number in (
        "0.650",
        "0.850",
        "Trial 0 was chosen",
        "learning_rate = 0.0002",
        "5 % of train are longer than max_length 32",
    ):
        assert number in text
    expected = "seeds, cost, curves, bands, reliability of each arm, seeds needed, best, the pair, its seeds, other metrics, maps"
    assert page.tags.count("svg") == 3 + 1 + 2 * 2 + 2 + 2 + 2 + 4 + 7 + 3, expected
    assert page.tags.count("svg phone") == page.tags.count("svg") - 1, "one of two arms side by side is narrow as it is"
    assert page.tags.count("circle") >= 3 * 6


def test_a_trial_without_all_its_seeds_has_no_mean_and_comes_last(tmp_path):
    text = write_small_report(tmp_path)[0].read_text()
    table = text[text.index('aria-label="Trials of full"') :].partition("</tbody>")[0]
    complete, pruned, failed = re.findall(r"<tr.*?</tr>", table.partition("<tbody>")[2], flags=re.DOTALL)
    scores = [re.search('<td class="n strong">(.*?)</td>', row)[1] for row in (complete, pruned, failed)]
    assert scores == ["0.850", numbers.ABSENT, numbers.ABSENT]
    assert ["seeds)" in row for row in (complete, pruned, failed)] == [False, True, True]
    assert '0.600 <span class="note">(1 of 2 seeds)' in pruned
    assert "(0 of 2 seeds)" in failed


def test_the_report_needs_nothing_from_outside(tmp_path):
    path, _, _ = write_small_report(tmp_path)
    text = path.read_text()
    page = Page(text)
    assert len(page.links) >= 10
    outside = [link for link in page.links if not link.startswith("#")]
    assert outside == ["../sweep/full-55555555/report.html"]
    assert (path.parent / outside[0]).resolve().is_file()
    assert not re.search(r"https?://|@import|url\(", text.replace("http://www.w3.org/2000/svg", ""))
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert_our_script_alone(page)


def assert_our_script_alone(page):
    assert page.tags.count("script") == 1
    (script,) = [text for text in page.texts if '"use strict"' in text]
    assert script.strip() == page_script().strip()
    assert not re.search(r"fetch|XMLHttpRequest|eval|innerHTML|import", script), "it loads nothing and makes no markup of texts"


def test_texts_from_data_and_errors_are_escaped(tmp_path):
    finding = DataFinding(check=EVIL, split="train", count=1, names=(EVIL,), examples=(EVIL,))
    study = make_study(description=EVIL)
    path, _, _ = write_small_report(
        tmp_path,
        study=study,
        labels=(EVIL, "fine & <b>bold</b>"),
        statuses={("full", 1): ("failed", EVIL)},
        name=EVIL,
        findings=(finding,),
    )
    page = Page(path.read_text())
    assert "b" not in page.tags
    assert_our_script_alone(page)
    assert page.words.count(EVIL) >= 8


def test_the_same_records_give_the_same_bytes(tmp_path):
    path, _, _ = write_small_report(tmp_path)
    before = _files(path.parent)
    assert {"report.html", "runs.csv", "summary.json", "study.yaml", "paper.md"} <= before.keys()
    assert {
        "tables/results.tex",
        "tables/results.csv",
        "figures/curves_loss.svg",
        "figures/reliability_full.svg",
    } <= before.keys()
    write_small_report(tmp_path)
    assert _files(path.parent) == before


def _files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_troubled_run_stands_with_its_reason(tmp_path):
    statuses = {("full", 0): ("diverged", "the loss became NaN at step 7"), ("full", 2): ("collapsed", None)}
    path, _, _ = write_small_report(tmp_path, statuses=statuses)
    text = Page(path.read_text()).words
    assert "full · seed 000 diverged the loss became NaN at step 7" in text
    assert "full · seed 002 collapsed At the end of training the validation score is not better than the accuracy 0.500" in text
    assert "full without collapsed" in text
    assert "full: 1 collapsed and 1 diverged" in text
    wide = re.sub('<svg class="phone".*?</svg>', "", path.read_text())
    hollow = re.findall(r'<g class="hollow [^>]*>(.*?)</g>', wide)
    assert sum(group.count("<circle") for group in hollow) == 3


def test_a_study_without_any_run_still_has_a_report(tmp_path):
    path, summary, _ = write_small_report(tmp_path, bare=True)
    text = Page(path.read_text()).words
    assert "features is not compared: 0 runs of it ended with a score, and at least 3 are needed" in text
    assert "full: 3 missing" in text
    assert "confusion" not in Page(path.read_text()).ids, "there are no predictions"
    assert "0/3" in result_table(summary)


def test_a_study_of_one_arm_and_one_seed_has_a_report(tmp_path):
    path, summary, _ = write_small_report(tmp_path, study=make_study(arms={"only": {}}, seeds={"n": 1}))
    assert "nothing to compare it with" in path.read_text()
    assert result_table(summary).splitlines()[2].split() == ["only", "1/1", "0.600", "–", "–", "0.600", "0.600"]


def test_the_command_runs_the_same_study_again(tmp_path):
    path, _, study = write_small_report(tmp_path)
    again = path.parent / "study.yaml"
    assert f"bertft run {again.resolve()} --home {tmp_path.resolve()}" in Page(path.read_text()).words
    assert parse_study(read_yaml(again.read_text(), "study.yaml")[0]) == study


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training": {"epochs": None, "max_steps": 7, "evaluate_every_steps": 2, "evaluate_every_epochs": None}},
        {
            "arms": {
                "a": {"max_grad_norm": None, "learning_rate": 1e-5},
                "b": {"strategies": [{"kind": "early_stopping", "patience": 1}]},
            }
        },
        {"head": "classification", "metric": "log_loss", "seeds": {"n": 4, "design": {"only": "order"}}},
        {"data": {"source": "files", "train": "/a/b: c.csv", "text": ["one", "two"], "labels": ["no", "yes"]}},
        {
            "head": "token_classification",
            "metric": "accuracy",
            "data": {"source": "bundled", "name": "entities"},
            "arms": {"full": {}},
        },
        {"encoder": {"path": "/models/tiny"}, "seeds": {"design": {"crossed": {"init": 2, "order": 3}}}},
    ],
)
def test_the_short_yaml_is_read_back_as_the_same_study(changes):
    study = make_study(**changes)
    again = parse_study(read_yaml(study_yaml(study), "study.yaml")[0])
    assert again.digest == study.digest
    assert [again.training_of(arm) for arm in again.arms] == [study.training_of(arm) for arm in study.arms]
    assert len(study_yaml(study).splitlines()) < 40


def test_runs_csv_has_one_row_for_each_planned_run(tmp_path):
    statuses = {("features", 0): ("failed", "killed, out of memory")}
    path, summary, _ = write_small_report(tmp_path, statuses=statuses)
    rows = list(csv.DictReader(io.StringIO((path.parent / "runs.csv").read_text())))
    assert [(row["arm"], row["index"]) for row in rows] == [(a, str(i)) for a in ("features", "full") for i in range(3)]
    assert rows[0]["error"] == "killed, out of memory"
    assert rows[0]["best/test/accuracy"] == ""
    for row, seed in zip(rows[3:], summary.arms[1].seeds, strict=True):
        assert float(row["best/test/accuracy"]) == seed.scores["best/test/accuracy"]
        assert (float(row["learning_rate"]), row["batch_size"]) == (2e-4, "8")
        assert (row["run_digest"], row["weights_sha256"]) == (seed.run_digest, seed.weights_sha256)
        assert int(row["init_seed"]) == seed.init_seed


def test_summary_json_is_the_summary(tmp_path):
    path, summary, _ = write_small_report(tmp_path)
    assert checked_record(path.parent / "summary.json", StudySummary) == summary


def test_the_result_table_shows_the_headline_first_then_the_other_splits_and_the_difference(tmp_path):
    _, summary, _ = write_small_report(tmp_path, statuses={("full", 2): ("failed", "killed")})
    table = result_table(summary)
    assert [line for line in table.splitlines() if " on " in line and "checkpoint" in line] == [
        f"accuracy on {split}, best checkpoint" for split in ("test", "validation", "other_domain")
    ]
    lines = table.splitlines()
    assert re.split(r"\s{2,}", lines[2]) == ["features", "3/3", "0.650", "0.050", "0.526 to 0.774", "0.600", "0.700"]
    assert lines[3].split()[:2] == ["full", "2/3"]
    sentences = study_text.sentences(summary)
    assert lines[-1 - len(sentences) : -1] == sentences
    assert len(sentences) == 3
    assert lines[-1] == "Runs with problems: full: 1 failed."


def test_long_loss_curves_are_thinned_by_averaging_and_a_torn_line_is_left_out(tmp_path):
    events = [json.dumps({"kind": "step", "step": i, "loss": float(i), "learning_rate": 0.1}) for i in range(250)]
    foreign = [json.dumps({"kind": "evaluation", "step": 1, "epoch": 1.0, "metrics": {}}), json.dumps([1])]
    (tmp_path / "curves.jsonl").write_text("\n".join([*events, *foreign, '{"kind": "step", "st']))
    curve = loss_curve(tmp_path)
    assert len(curve) == 84
    assert curve[0] == (1.0, 1.0)
    assert curve[-1] == (249.0, 249.0)
    assert loss_curve(tmp_path / "gone") == []


def test_a_band_has_all_runs_of_an_arm_where_some_were_shorter(tmp_path):
    runs = [tmp_path / str(i) for i in range(5)]
    for run, steps in zip(runs, (100, 100, 120, 120, 120), strict=True):
        run.mkdir()
        lines = [json.dumps({"kind": "step", "step": i + 1, "loss": 0.5, "learning_rate": 0.1}) for i in range(steps)]
        (run / "curves.jsonl").write_text("\n".join(lines))
    band = band_of(loss_curves(runs))
    assert [(point.x, point.n) for point in band] == [(2 * i + 1.5, 5 if i < 50 else 3) for i in range(60)]
    assert loss_curves([]) == []


def test_ticks_are_round_and_inside_the_range():
    assert numbers_under((0.48, 0.87)) == ["0.5", "0.55", "0.6", "0.65", "0.7", "0.75", "0.8", "0.85"]
    assert numbers_under((0.0, 10.0)) == ["0", "2", "4", "6", "8", "10"]
    assert numbers_under((-0.3, 0.1)) == ["−0.3", "−0.25", "−0.2", "−0.15", "−0.1", "−0.05", "0", "0.05", "0.1"]
    assert numbers_under((596.0, 604.0)) == ["596", "597", "598", "599", "600", "601", "602", "603", "604"]
    assert numbers_under((598.5, 601.5), [599.0, 601.0]) == ["599", "600", "601"], "there is no half step"


def numbers_under(x_range, points=(0.5, 0.6)):
    figure = line_plot([Line("a", 0, [(x, 0.0) for x in points])], ("x", "y"), x_range=x_range, y_range=(0.0, 1.0))
    return [
        text["words"] for text in marks(figure, "text") if text["font-size"] == "11.5" and text.get("text-anchor") == "middle"
    ]


def test_a_range_is_never_empty():
    assert padded([]) == (0.0, 1.0)
    low, high = padded([0.0, 0.0])
    assert low < 0.0 < high


def test_the_axis_of_the_seeds_ends_where_the_metric_does():
    rows = [ArmRow("full", [SeedPoint(0.99, "one", False), SeedPoint(1.0, "other", False)], 0.995, 0.9, 1.0)]
    ends = {}
    for bounds in ((0.0, 1.0), (-math.inf, math.inf)):
        ends[bounds] = max(float(dot["cx"]) for dot in marks(seed_plot(rows, "accuracy", None, bounds), "circle"))
    assert ends[0.0, 1.0] == 840.0 > ends[-math.inf, math.inf]

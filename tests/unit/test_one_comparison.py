"""Every place that speaks of a pair of arms gives the same verdict, the same numbers and the same number of seeds needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bertft_core.records import StudySummary
from bertft_core.records.comparison_record import PairComparison
from bertft_core.storage.study_dir import StudyDir
from flows.cli.app import main
from flows.cli.find_study import find_study
from flows.cli.show_commands import rebuild_report
from tasks.tracking.comparison_log import comparison_metrics, comparison_note, comparison_tags
from tests.helpers.evaluated_studies import make_results
from tests.helpers.report_pages import Page
from tests.helpers.small_records import make_card

pytestmark = pytest.mark.usefixtures("copied_mlflow_stores", "blank_pictures")

ACCURACIES = {
    "base": [0.600, 0.640, 0.620, 0.600, 0.630],
    "better": [0.800, 0.820, 0.810, 0.800, 0.830],
    "close": [0.690, 0.610, 0.680, 0.620, 0.670],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A study with one claimed and one inconclusive difference from the baseline, reported."""
    home = tmp_path_factory.mktemp("home")
    make_results(home, ACCURACIES, card=make_card(home, splits={"train": 80, "validation": 40, "test": 2000}))
    rebuild_report(find_study("small", home))
    return home


def output(home: Path, *words: str) -> str:
    """Of a command on the study of a home."""
    capture = pytest.MonkeyPatch()
    lines: list[str] = []
    capture.setattr("builtins.print", lambda *values, **_: lines.append(" ".join(map(str, values))))
    try:
        with pytest.raises(SystemExit):
            main([words[0], "small", *words[1:], "--home", str(home)])
    finally:
        capture.undo()
    return "\n".join(lines)


@pytest.fixture(scope="module")
def bertft(home) -> Callable[..., str]:
    """Output of a command on the study."""
    return partial(output, home)


@pytest.fixture(scope="module")
def summary(bertft) -> StudySummary:
    return StudySummary.model_validate_json(bertft("show", "--json"))


@pytest.fixture(scope="module")
def places(home, bertft, summary) -> dict[str, str]:
    """Name → text of everything that speaks of the pairs in sentences."""
    report_dir = StudyDir(home, "small").report_dir
    tags = comparison_tags(summary.comparison)
    return {
        "terminal": bertft("show"),
        "compare": bertft("compare", "--output", str(home / "out")),
        "report": Page((report_dir / "report.html").read_text(encoding="utf-8")).words,
        "paper": (report_dir / "paper.md").read_text(encoding="utf-8"),
        "MLflow note": comparison_note(summary.comparison),
        "MLflow tags": "\n".join(value for name, value in tags.items() if name.startswith("bertft.verdict")),
    }


def pair_of(summary: StudySummary, arm: str) -> PairComparison:
    pair = summary.comparison.pair(arm, "base")
    assert pair is not None
    return pair


def test_the_study_has_one_claimed_and_one_inconclusive_pair(summary):
    assert [pair_of(summary, arm).verdict for arm in ("better", "close")] == ["claimed", "inconclusive"]


@pytest.mark.parametrize("arm", ["better", "close"])
def test_all_places_have_one_verdict_and_one_number(summary, places, arm):
    pair = pair_of(summary, arm)
    size, p = f"{100 * abs(pair.difference):.1f}", f"{pair.p_holm:.{3 if pair.p_holm < 0.1 else 2}f}"
    found = {}
    for name, text in places.items():
        sentences = re.findall(rf"{arm} is ([\d.]+) points \(accuracy, test\) above base [^:]*: (\w+) \(p = ([\d.]+)", text)
        found[name] = set(sentences)
    assert found == {name: {(size, pair.verdict, p)} for name in places}


def test_numbers_are_the_same_in_mlflow_tables_and_json(home, summary):
    pair, metrics = pair_of(summary, "better"), comparison_metrics(summary.comparison)
    rows = json.loads((StudyDir(home, "small").report_dir / "tables" / "pairs.json").read_text(encoding="utf-8"))
    rows = rows if isinstance(rows, list) else rows["rows"]
    (row,) = [row for row in rows if (row["metric"], row["arm"], row["against"]) == ("accuracy", "better", "base")]
    assert (row["difference"], row["p_holm"], row["claimed"]) == (pair.difference, pair.p_holm, True)
    assert metrics["comparison/better vs base/difference"] == pair.difference
    assert metrics["comparison/better vs base/p_holm"] == pair.p_holm


def test_diagnose_reads_the_verdict_and_speaks_of_inconclusive_pairs_only(bertft, summary):
    (check,) = [each for each in json.loads(bertft("diagnose", "--json"))["checks"] if each["check"] == "instability"]
    assert check["verdict"] == "look"
    text = json.dumps(check)
    assert f"{pair_of(summary, 'close').p_holm:.3g}" in text
    assert "inconclusive" in text
    assert "better and base" not in text


def test_one_number_of_seeds_is_needed(home, bertft, summary, places):
    (needed,) = [each for each in summary.insights.seeds_needed if (each.arm, each.baseline) == ("close", "base")]
    n = needed.n_for_observed
    assert n is not None
    assert n > needed.n
    counted = json.loads(bertft("seeds", "--arm", "close", "--json"))["seeds_needed"]
    assert [each["n_for_observed"] for each in counted if each["baseline"] == "base"] == [n]
    texts = {"diagnose": bertft("diagnose"), "seeds": bertft("seeds")} | {name: places[name] for name in ("report", "paper")}
    for name, text in texts.items():
        assert f"{n:,} seeds are needed" in text, name
    assert list(StudyDir(home, "small").report_dir.rglob("*seeds_needed_power*"))


def test_no_place_gives_a_number_of_seeds_where_only_examples_will_help(tmp_path):
    accuracies = {"base": [0.600, 0.605, 0.600, 0.610, 0.605], "close": [0.620, 0.630, 0.620, 0.625, 0.630]}
    make_results(tmp_path, accuracies, card=make_card(tmp_path, splits={"train": 80, "validation": 40, "test": 200}))
    rebuild_report(find_study("small", tmp_path))
    summary = StudySummary.model_validate_json(output(tmp_path, "show", "--json"))
    assert pair_of(summary, "close").needs_examples(summary.comparison.level)
    counted = json.loads(output(tmp_path, "seeds", "--json"))["seeds_needed"]
    for found in (counted, [each.model_dump() for each in summary.insights.seeds_needed]):
        (of_pair,) = [each for each in found if each["baseline"] == "base"]
        assert (of_pair["n_for_observed"], of_pair["needs_examples"]) == (None, True)
    report_dir = StudyDir(tmp_path, "small").report_dir
    texts = {
        "terminal": output(tmp_path, "show"),
        "seeds": output(tmp_path, "seeds"),
        "report": Page((report_dir / "report.html").read_text(encoding="utf-8")).words,
        "paper": (report_dir / "paper.md").read_text(encoding="utf-8"),
    }
    for name, text in texts.items():
        assert "more seeds will not help; a larger test set will" in text, name
    for name, text in (texts | {"diagnose": output(tmp_path, "diagnose")}).items():
        assert not re.search(r"\d seeds are needed", text), name
    assert not list(report_dir.rglob("*seeds_needed_power*"))

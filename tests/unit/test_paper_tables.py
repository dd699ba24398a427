"""Tables for papers: what is printed, what is bold, and the same numbers in every format."""

import csv
import io
import json

import pytest

from bertft_core.report import paper_tables
from bertft_core.report.formatting import escapes
from bertft_core.report.table_formats import (
    FORMATS,
    Column,
    PaperTable,
    TableCell,
    csv_text,
    json_text,
    latex,
    markdown,
    write_tables,
)
from tests.helpers.comparison_records import CLAIMED, KEY, SCORES, make_arm, make_comparison, make_pair


def results(comparison, **changes):
    scores = paper_tables.scores_of_comparison(comparison.model_copy(update=changes))
    return paper_tables.tables_of(scores, KEY, comparison)[0]


def bold_of(table):
    return [(row[0].words, i) for row in table.rows for i, cell in enumerate(row) if cell.bold]


def test_results_are_mean_and_sd_with_the_number_of_seeds():
    table = results(make_comparison())
    assert [column.title for column in table.columns] == ["arm", "n", "accuracy ↑", "log loss ↓"]
    assert [cell.words for cell in table.rows[0]] == ["features", "5", "0.710 ± 0.016", "0.290 ± 0.016"]


def test_the_best_is_bold_only_when_it_is_claimed_to_be_better_than_every_other():
    unsure = results(make_comparison())
    assert bold_of(unsure) == []
    assert "No arm is set in bold: on no metric" in unsure.caption
    sure = {**CLAIMED, ("llrd_0.9", "full"): 0.03}
    table = results(make_comparison(pairs=tuple(make_pair(a, b, p) for (a, b), p in sure.items()), n_tests=3))
    assert bold_of(table) == [("llrd_0.9", 2)], "accuracy is claimed against both; log-loss was not compared"
    assert "Bold: better than every other arm, p ≤ 0.05 after Holm's correction over 3 pairs" in table.caption


def test_bold_follows_the_direction_of_the_metric():
    pairs = (make_pair("full", "features", 0.001, "log_loss"), make_pair("full", "features", 0.001))
    arms = tuple(make_arm(name, SCORES[name]) for name in ("features", "full"))
    assert bold_of(results(make_comparison(arms=arms, pairs=pairs))) == [("full", 2), ("full", 3)]
    worse = tuple(pair.model_copy(update={"difference": -pair.difference}) for pair in pairs)
    assert bold_of(results(make_comparison(arms=arms, pairs=worse))) == [("features", 2), ("features", 3)]


def test_without_a_comparison_nothing_is_bold():
    scores = paper_tables.scores_of_comparison(make_comparison())
    (table,) = paper_tables.tables_of(scores, KEY, None)
    assert bold_of(table) == []
    assert "the arms were not compared" in table.caption
    assert paper_tables.tables_of([paper_tables.ArmScores("full", {})], KEY, None) == []


def test_collapsed_runs_are_reported_and_an_arm_without_scores_is_left_out():
    arms = (make_arm("full", SCORES["full"], collapsed=(3,)), make_arm("gone", (), scores={}), make_arm("one", (0.5,)))
    table = results(make_comparison(arms=arms, pairs=()))
    assert [[cell.words for cell in row][:3] for row in table.rows] == [["full", "5", "0.846 ± 0.030"], ["one", "1", "0.500"]]
    assert "Collapsed runs are included: 1 of full." in table.caption


def test_pairs_show_difference_interval_chance_and_both_p_values():
    pairs = paper_tables.tables_of(paper_tables.scores_of_comparison(make_comparison()), KEY, make_comparison())[1]
    words = [cell.words for cell in pairs.rows[2]]
    assert words == ["accuracy", "llrd_0.9", "full", "+0.004", "−0.036 to +0.044", "0.54 (0.20 to 0.83)", "0.203", "0.610"]
    assert [row[-1].bold for row in pairs.rows] == [True, True, False, True, True, False]


def test_a_page_has_room_for_few_metrics_and_the_files_for_all():
    scores = {f"best/test/{name}": [0.5, 0.6] for name in ("accuracy", "f1/positive", "mcc", *"abcdefgh")}
    (table,) = paper_tables.tables_of([paper_tables.ArmScores("full", scores), paper_tables.ArmScores("half", scores)], KEY, None)
    assert [column.title for column in table.columns] == ["arm", "n", "accuracy", "MCC", "a", "b", "c", "d"]
    assert len(table.records) == 2 * 11


def test_latex_is_escaped_and_uses_booktabs():
    assert escapes.latex(r"50% of a_b & {c} #1 ~ ^ \x <$> ± −1") == (
        r"50\% of a\_b \& \{c\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}x \textless{}\$\textgreater{} $\pm$ $-$1"
    )
    text = latex(
        PaperTable("t", "100 %", [Column("a_b", "l"), Column("n")], [[TableCell("x"), TableCell("1 ± 2", bold=True)]], [])
    )
    for line in (
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a\_b & n \\",
        r"x & \textbf{1 $\pm$ 2} \\",
        r"\caption{100 \%}",
        r"\label{tab:t}",
    ):
        assert line in text.splitlines()
    assert text.count("{") == text.count("}")


def test_latex_sets_many_metrics_of_few_arms_as_rows_and_a_wide_table_over_both_columns():
    scores = {f"best/test/{name}": [0.5, 0.6] for name in ("accuracy", "log_loss", *"abcd")}
    (table,) = paper_tables.tables_of([paper_tables.ArmScores("full", scores), paper_tables.ArmScores("half", scores)], KEY, None)
    lines = latex(table).splitlines()
    assert lines[0] == r"\begin{table}[t]"
    assert lines[2] == r"\begin{tabular}{lrr}"
    assert r"arm & full & half \\" in lines
    assert r"n & 2 & 2 \\" in lines
    assert r"log loss & 0.550 $\pm$ 0.071 & 0.550 $\pm$ 0.071 \\" in lines
    arms = [paper_tables.ArmScores(f"arm_{i}", scores) for i in range(8)]
    (table,) = paper_tables.tables_of(arms, KEY, None)
    lines = latex(table).splitlines()
    assert (lines[0], lines[-1]) == (r"\begin{table*}[t]", r"\end{table*}")
    assert lines[2] == r"\begin{tabular}{lrrrrrrr}"


def test_markdown_has_one_cell_for_each_column_and_takes_nothing_for_markup():
    table = PaperTable("t", "c", [Column("a|b", "l"), Column("n")], [[TableCell("x_y*"), TableCell("1", bold=True)]], [])
    assert markdown(table).splitlines() == [r"| a\|b | n |", "| --- | ---: |", r"| x\_y\* | **1** |", "", "c"]


def test_csv_and_json_hold_the_numbers_unrounded():
    table = results(make_comparison())
    rows = list(csv.DictReader(io.StringIO(csv_text(table))))
    parsed = json.loads(json_text(table))["rows"]
    assert len(rows) == len(parsed) == 6
    for row, record in zip(rows, parsed, strict=True):
        assert float(row["mean"]) == record["mean"] == pytest.approx(float(row["mean"]))
        assert float(row["sd"]) == record["sd"]
        assert int(row["n"]) == record["n"] == 5
    assert parsed[0]["mean"] == pytest.approx(0.71, abs=1e-12)
    infinite = PaperTable("t", "c", [], [], [{"mean": float("inf"), "sd": None}])
    assert json.loads(json_text(infinite))["rows"] == [{"mean": None, "sd": None}]


def test_every_format_is_written(tmp_path):
    paths = write_tables([results(make_comparison())], tmp_path / "tables")
    assert sorted(path.name for path in paths) == sorted(f"results.{ending}" for ending in FORMATS)
    assert all(path.stat().st_size > 100 for path in paths)

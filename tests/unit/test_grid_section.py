"""Grids in the report: means of each value over arms and seeds, and a heat map for each pair of settings."""

from __future__ import annotations

import pytest
from scipy import stats

from bertft_core.config import parse_study
from bertft_core.evaluation.grid_means import grid_means
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.report import grid_section, summary_rows
from bertft_core.report.formatting.grid_settings import shown
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.drawn_marks import svg_of
from tests.helpers.small_records import make_card, make_record

GRID = {"learning_rate": [1e-5, 3e-5], "strategies.llrd": [None, {"decay": 0.8}]}
MEANS = {"x-g01": 0.5, "x-g02": 0.6, "x-g03": 0.7, "x-g04": 0.9}


def results_of(folder, missing=(), grid=None):
    """Three seeds of each arm; the score of a seed is the arm's mean plus 0, 0.025 or −0.025."""
    arms = {"base": {}, "x": {"grid": grid or GRID}}
    study = parse_study({"name": "g", "data": {"source": "bundled", "name": "reviews"}, "arms": arms, "seeds": {"n": 3}})
    study_dir, card = StudyDir(folder, study.name), make_card(folder)
    planned = plan_runs(study, card, {})
    records = {}
    for spec in planned:
        status = "failed" if (spec.arm, spec.index) in missing else "ok"
        score = MEANS.get(spec.arm, 0.5) + (0, 0.025, -0.025)[spec.index]
        records[spec.digest] = make_record(spec, card, study_dir, accuracy=score, status=status, error="torn")
    results = StudyResults(study, card, study_dir, records, planned, {})
    return results.with_summary(summarize(results))


def score_of(results, arm, index):
    found = next(each for each in results.summary.arms if each.arm == arm)
    return found.seeds[index].scores[results.summary.headline_key]


def test_the_mean_of_a_value_is_over_its_arms_seed_by_seed(tmp_path):
    results = results_of(tmp_path)
    (grid,) = grid_means(results.summary)
    low, high = grid.marginals["learning_rate"]
    of_seeds = [(score_of(results, "x-g03", i) + score_of(results, "x-g04", i)) / 2 for i in range(3)]
    assert (high.value, high.n_arms, high.n_seeds) == (3e-5, 2, 3)
    assert high.mean == pytest.approx(sum(of_seeds) / 3)
    assert (high.low, high.high) == pytest.approx(stats.t.interval(0.95, 2, high.mean, stats.sem(of_seeds)))
    assert low.mean == pytest.approx(sum(score_of(results, arm, i) for arm in ("x-g01", "x-g02") for i in range(3)) / 6)
    assert grid.pairs["learning_rate", "strategies.llrd"][1, 0] == pytest.approx(
        sum(score_of(results, "x-g03", i) for i in range(3)) / 3
    )


def test_a_seed_that_one_arm_lacks_is_left_out_of_the_means_of_its_values_only(tmp_path):
    (grid,) = grid_means(results_of(tmp_path, missing={("x-g04", 1)}).summary)
    assert [mean.n_seeds for mean in grid.marginals["learning_rate"]] == [3, 2]
    assert [mean.n_seeds for mean in grid.marginals["strategies.llrd"]] == [3, 2]


def test_the_section_has_a_row_for_each_value_and_a_picture_for_each_pair(tmp_path):
    results = results_of(tmp_path, missing={("x-g04", i) for i in range(3)})
    found = grid_section.section(results)
    (grid,) = found["grids"]
    assert [(row["setting"], row["value"]) for row in grid["rows"]] == [("learning_rate", "1e-05"), ("strategies.llrd", "none")]
    (picture,) = found["pictures"].values()
    assert svg_of(picture).count("<rect") == 4
    assert svg_of(picture).count("no score") == 1
    assert "decay 0.8" in svg_of(picture)


def test_one_setting_has_no_heat_map_and_a_study_without_grids_no_section(tmp_path):
    found = grid_section.section(results_of(tmp_path / "one", grid={"batch_size": [8, 16]}))
    assert not found["pictures"]
    single = results_of(tmp_path / "single", grid={"batch_size": [8]})
    assert grid_section.section(single) is None


def test_result_tables_name_the_settings_of_an_arm(tmp_path):
    arms = results_of(tmp_path).summary.arms
    assert [summary_rows.name_of(arm) for arm in arms][:3] == [
        "base",
        "x-g01 (learning_rate 1e-05, strategies.llrd none)",
        "x-g02 (learning_rate 1e-05, strategies.llrd decay 0.8)",
    ]


@pytest.mark.parametrize(("value", "words"), [(None, "none"), ({}, "on"), (True, "true"), (3e-5, "3e-05"), ({"p": 0.1}, "p 0.1")])
def test_values_are_shown_as_in_a_config(value, words):
    assert shown(value) == words

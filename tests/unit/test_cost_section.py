"""Score beside cost: means over the runs of an arm, and pictures of score over time and over parameters."""

from __future__ import annotations

import pytest

from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.report import cost_section
from bertft_core.report.drawings.scatter import Group, scatter_plot
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.drawn_marks import marks, svg_of
from tests.helpers.small_records import make_card, make_record, make_study


def results_with(folder, **of_arm):
    """Three seeds of two arms, without a search; `of_arm` gives fields of each arm's records."""
    study = make_study(arms={"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}})
    study_dir, card = StudyDir(folder, study.name), make_card(folder)
    planned = plan_runs(study, card, {})
    records = {
        spec.digest: make_record(spec, card, study_dir, accuracy=0.6 + 0.1 * spec.index).model_copy(
            update={name: value(spec.index) if callable(value) else value for name, value in of_arm.get(spec.arm, {}).items()}
        )
        for spec in planned
    }
    results = StudyResults(study, card, study_dir, records, planned, {})
    return results.with_summary(summarize(results))


def test_costs_are_means_over_the_runs_and_memory_is_the_largest(tmp_path):
    full = {
        "train_seconds": lambda i: 10.0 + i,
        "examples_per_second": lambda i: 100.0 - 30 * i,
        "peak_memory_bytes": lambda i: (5, 9, 7)[i] * 2**20,
        "n_parameters": 22_000_000,
    }
    found = cost_section.section(
        results_with(tmp_path, full=full, features={"n_parameters": 22_000_081, "peak_memory_bytes": None})
    )
    features, row = found["rows"]
    assert (row["arm"], row["n"]) == ("full", 3)
    assert (row["train_seconds"], row["examples_per_second"]) == (pytest.approx(11), pytest.approx(70))
    assert (row["peak_memory_bytes"], row["n_parameters"]) == (9 * 2**20, 22_000_000)
    assert (row["mean"], row["sd"]) == (pytest.approx(0.7), pytest.approx(0.1))
    assert features["peak_memory_bytes"] is None
    assert list(found["pictures"]) == ["score_over_time"]


def test_a_sentence_says_how_the_batches_of_each_arm_were_laid_out(tmp_path):
    one = cost_section.section(results_with(tmp_path / "one", full={"batches": "packed"}, features={"batches": "packed"}))
    assert one["batches"] == "Batches were packed (one row of tokens without padding)."
    continued = {"batches": lambda i: (None, "by_length", "packed")[i]}
    two = cost_section.section(results_with(tmp_path / "two", full=continued, features={"batches": "padded"}))
    assert two["batches"] == (
        "Batches were padded (to the longest text, because the layers of this encoder cannot be packed) for features and "
        "padded, one length at a time (because this encoder's result for a text would depend on the padding) or packed (one row "
        "of tokens without padding) for full."
    )
    assert cost_section.section(results_with(tmp_path / "older"))["batches"] == ""


def test_arms_of_other_sizes_are_drawn_over_their_parameters(tmp_path):
    found = cost_section.section(
        results_with(tmp_path, full={"n_parameters": 110_000_000}, features={"n_parameters": 22_000_000})
    )
    picture = svg_of(found["pictures"]["score_over_parameters"])
    assert picture.count("<circle") == 6 + 2
    assert "parameters in millions" in picture
    assert "full: on average 0.700 at 110." in picture


def test_runs_without_a_score_cost_nothing_and_without_any_there_is_no_section(tmp_path):
    failed = {"status": "failed", "final": {}, "best": {}, "train_seconds": 0.0, "examples_per_second": None}
    found = cost_section.section(results_with(tmp_path / "one", features=failed))
    assert [row["arm"] for row in found["rows"]] == ["full"]
    assert cost_section.section(results_with(tmp_path / "none", features=failed, full=failed)) is None


@pytest.mark.parametrize(
    ("longest", "ticks"),
    [(4.0, ["1", "2", "3", "4"]), (40.0, ["1", "2", "5", "10", "20"]), (600.0, ["1", "10", "100"])],
)
def test_times_that_differ_by_much_are_drawn_on_a_logarithmic_axis(longest, ticks):
    groups = [Group("a", "c0", [(1.0, 0.5), (longest, 0.7)], ["one", "two"], "")]
    words = marks(scatter_plot(groups, ("s", "accuracy")), "text")
    assert [tick["words"] for tick in words if (tick["font-size"], tick.get("text-anchor")) == ("11.5", "middle")] == ticks


def test_a_group_without_points_is_left_out():
    groups = [Group("a", "c0", [(1.0, 0.5)], ["one"], "spoken"), Group("b", "c1", [], [], "silent")]
    picture = svg_of(scatter_plot(groups, ("s", "accuracy")))
    assert "spoken" in picture
    assert "silent" not in picture

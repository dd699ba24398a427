"""A learning rate that is meant for batches of 16, and what other batch sizes make of it."""

from __future__ import annotations

import math

import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.config.training_settings import TrainingConfig, merge_training
from bertft_core.report import table_sections
from bertft_core.report.prose.paper_text import setup_text
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_study


@pytest.mark.parametrize(
    ("scaling", "batch_size", "factor"),
    [("none", 64, 1), ("linear", 64, 4), ("sqrt", 64, 2), ("linear", 16, 1), ("linear", 4, 0.25), ("sqrt", 8, math.sqrt(0.5))],
)
def test_the_peak_follows_the_batch_size(scaling, batch_size, factor):
    config = TrainingConfig(learning_rate=3e-5, batch_size=batch_size, learning_rate_scaling=scaling)
    assert config.peak_learning_rate == pytest.approx(3e-5 * factor)


def test_without_scaling_the_peak_is_the_rate_itself_and_nothing_is_written():
    config = TrainingConfig(learning_rate=3e-5, batch_size=48)
    assert config.peak_learning_rate == 3e-5
    assert "learning_rate_scaling" not in config.model_dump()
    assert TrainingConfig(learning_rate_scaling="sqrt").model_dump()["learning_rate_scaling"] == "sqrt"


def test_an_arm_may_turn_the_scaling_of_the_study_off():
    study = make_study(
        training={"learning_rate_scaling": "linear", "batch_size": 32}, arms={"on": {}, "off": {"learning_rate_scaling": "none"}}
    )
    assert study.training_of("on").peak_learning_rate == 2 * study.training_of("off").peak_learning_rate
    again = parse_study(study.model_dump(mode="json"))
    assert again.digest == study.digest
    assert again.training_of("off") == study.training_of("off")
    assert merge_training(study.training, {"learning_rate_scaling": "none"}).learning_rate_scaling == "none"


def test_it_can_be_searched_and_in_a_grid_and_an_unknown_rule_is_refused():
    space = {"learning_rate_scaling": {"choices": ["none", "sqrt", "linear"]}, "batch_size": {"choices": [8, 32]}}
    study = make_study(arms={"full": {"search": {"space": space, "n_trials": 2}}})
    chosen = study.training_of("full", {"learning_rate_scaling": "linear", "batch_size": 32})
    assert chosen.peak_learning_rate == pytest.approx(2 * chosen.learning_rate)
    grid = {"learning_rate_scaling": ["none", "sqrt"], "batch_size": [16, 64]}
    arms = make_study(arms={"base": {}, "x": {"grid": grid}}).arms
    assert len(arms) == 1 + 4
    with pytest.raises(UserError, match="learning_rate_scaling"):
        make_study(training={"learning_rate_scaling": "cubic"})


def test_the_report_and_the_text_for_a_paper_show_the_peak(tmp_path):
    arms = {"small": {"batch_size": 8}, "large": {"batch_size": 64}}
    results = make_results(tmp_path, {"small": [0.7], "large": [0.8]}, arms=arms, training={"learning_rate_scaling": "sqrt"})
    table = table_sections.arms(results)
    assert table["names"] == ["learning_rate", "batch_size", "epochs", table_sections.PEAK]
    assert [row["settings"][-1] for row in table["rows"]] == pytest.approx([2e-5 * math.sqrt(0.5), 4e-5])
    assert "peak learning rate 2e-05 × √(batch size / 16)" in dict(setup_text(results))["Training"]
    mixed = make_results(tmp_path / "mixed", {"a": [0.7], "b": [0.8]}, arms={"a": {}, "b": {"learning_rate_scaling": "linear"}})
    assert table_sections.arms(mixed)["names"] == [
        "learning_rate",
        "learning_rate_scaling",
        "batch_size",
        "epochs",
        table_sections.PEAK,
    ]
    without = make_results(tmp_path / "without", {"a": [0.7], "b": [0.8]})
    assert table_sections.arms(without)["names"] == ["learning_rate", "batch_size", "epochs"]

"""Curves begin at step 0: the untrained head is validated before the first step, and nothing else is changed by it."""

from __future__ import annotations

import pytest

from bertft_core.planning.run_specs import plan_runs
from bertft_core.report.run_curves import validation_curve, validation_loss_curve
from bertft_core.storage.curve_lines import curve_events
from bertft_core.training.run import train_run
from tasks.tracking.mlflow_content import event_metrics
from tests.helpers.interrupted_runs import interrupted, result_in
from tests.helpers.tiny_studies import tiny_study


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    study, card = tiny_study(tmp_path_factory.mktemp("untrained"), arms={"full": {}}, seeds={"n": 1})
    return next(iter(plan_runs(study, card, {})))


def with_training(spec, **changes):
    return spec.model_copy(update={"training": spec.training.model_copy(update=changes)})


def test_it_is_what_a_run_that_has_learned_nothing_gets(spec, tmp_path):
    nothing = with_training(spec, epochs=None, max_steps=1, warmup_ratio=0.5)  # the rate of the first step is 0
    record = train_run(nothing, run_dir=tmp_path / "nothing")
    untrained = record.untrained
    assert (untrained.step, untrained.epoch) == (0, 0.0)
    assert (untrained.metrics, untrained.loss) == (record.evaluations[0].metrics, record.evaluations[0].loss)
    assert record.best_step == 1, "step 0 is never the best"


def test_it_is_no_evaluation_and_only_curves_that_are_drawn_begin_with_it(spec, tmp_path):
    events = []
    record = train_run(spec, run_dir=tmp_path, on_event=events.append)
    assert [evaluation.step for evaluation in record.evaluations] == [5, 10, 15]
    assert 0 not in {event["step"] for event in curve_events(tmp_path / "curves.jsonl")}
    curve = validation_curve(record, "accuracy")
    assert curve[0] == (0.0, record.untrained.metrics["accuracy"])
    assert [x for x, _ in curve] == [x for x, _ in validation_loss_curve(record)] == pytest.approx([0, 1, 2, 3])
    assert validation_curve(record.model_copy(update={"untrained": None}), "accuracy") == curve[1:]
    (event,) = (event for event in events if event["kind"] == "untrained")
    logged = {name: (value, step) for name, value, step in event_metrics(event)}
    assert logged["train/epoch"] == (0.0, 0)
    assert logged["validation/accuracy"] == (record.untrained.metrics["accuracy"], 0)


def test_a_run_of_a_search_has_none_and_gets_the_same_weights(spec, tmp_path):
    searching = spec.model_copy(update={"stage": "search", "trial": 0})
    assert searching.digest == spec.digest
    without, record = train_run(searching, run_dir=tmp_path / "search"), train_run(spec, run_dir=tmp_path / "seeds")
    assert without.untrained is None
    assert '"untrained"' not in without.model_dump_json()
    assert (without.weights_sha256, without.evaluations, without.files) == (
        record.weights_sha256,
        record.evaluations,
        record.files,
    )


def test_a_run_that_was_killed_keeps_it(spec, tmp_path):
    train_run(spec, run_dir=tmp_path / "whole")
    interrupted(spec, tmp_path / "killed", "step", 8)
    train_run(spec, run_dir=tmp_path / "killed")
    assert result_in(tmp_path / "killed") == result_in(tmp_path / "whole")

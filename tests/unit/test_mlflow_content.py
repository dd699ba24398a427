"""What MLflow gets of runs, searches and studies: names it accepts, values in full, seeds that can be grouped."""

from __future__ import annotations

import json
import math

import pytest
from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

from bertft_core.evaluation.summarize import evaluated
from bertft_core.planning.run_specs import plan_runs, plan_trial
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tasks.tracking import mlflow_content as content
from tasks.tracking.store_files import MLFLOW_STATUS
from tests.helpers.small_records import make_card, make_record, make_spec, make_study

ODD_LABELS = ("très bien!", "très bien?", "50 % (or less)", "a//b", "..", "long " * 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study():
    return make_study()


@pytest.fixture(scope="module")
def card(folder):
    return make_card(folder, labels=ODD_LABELS)


@pytest.fixture(scope="module")
def record(folder, study, card):
    return make_record(make_spec(study, card), card, StudyDir(folder, study.name))


@pytest.fixture(scope="module")
def summary(folder, study, card):
    study_dir = StudyDir(folder, study.name)
    planned = plan_runs(study, card, {})
    records = {spec.digest: make_record(spec, card, study_dir, accuracy=0.7 + 0.05 * spec.index) for spec in planned}
    return evaluated(StudyResults(study, card, study_dir, records, planned)).summary


def test_the_seeds_of_a_setting_share_a_digest_and_nothing_else_does(study, card):
    tags = [content.run_tags(spec) for spec in plan_runs(study, card, {})]
    settings = {(tag["bertft.arm"], tag["bertft.setting_digest"]) for tag in tags}
    assert len(tags) == 6
    assert len(settings) == len({digest for _, digest in settings}) == 2
    assert len({tag["bertft.run_digest"] for tag in tags}) == 6


def test_a_trials_runs_say_which_trial_they_are(study, card):
    spec = plan_trial(study, card, "full", {"learning_rate": 1e-4, "batch_size": 8}, trial=3)[1]
    tags, params = content.run_tags(spec), content.run_params(spec)
    assert (tags["bertft.stage"], tags["bertft.trial"], params["trial"]) == ("search", "3", "3")
    assert "bertft.trial" not in content.run_tags(make_spec(study, card))


def test_selected_seeds_are_labelled_and_never_in_a_group_with_others(study, card):
    spec = make_spec(study, card)
    stopped, kept = spec.model_copy(update={"stop_at": 0.25}), spec.model_copy(update={"kept_of": 8})
    tags = [content.run_tags(one) for one in (spec, stopped, kept)]
    labels = [None, "stopped after 25 % of its steps", "one of the best of 8 seeds"]
    assert [tag.get("bertft.selected") for tag in tags] == labels
    assert len({tag["bertft.setting_digest"] for tag in tags}) == 3


def test_every_setting_is_a_parameter_and_every_seed_a_tag(study, card):
    spec = make_spec(study, card, index=2)
    params, tags = content.run_params(spec), content.run_tags(spec)
    assert params["seed_index"] == "2"
    assert [int(tags[f"bertft.seed.{name}"]) for name in ("init", "order", "dropout")] == list(spec.seeds.model_dump().values())
    assert not any(value in params.values() for name, value in tags.items() if name.startswith("bertft.seed."))
    for name, value in spec.training.model_dump(mode="json").items():
        assert params[name] == (value if isinstance(value, str) else json.dumps(value))
    assert float(params["learning_rate"]) == spec.training.learning_rate


def test_names_are_such_as_mlflow_accepts_whatever_the_labels_are(study, card, record, summary):
    metrics = [*content.record_metrics(record, every=True), *content.summary_metrics(summary), *content.headline_metrics(summary)]
    evaluation = {"kind": "evaluation", "step": 1, "epoch": 1.0, "metrics": record.final["validation"]}
    metrics += [name for name, _, _ in content.event_metrics(evaluation, every=True)]
    assert {"final/test/f1/très bien_21", "final/test/f1/a_2f_2fb", "final/test/f1/_2e_2e"} <= set(metrics)
    for name in metrics:
        _validate_metric_name(name)
    for name in content.run_params(record.spec):
        _validate_param_name(name)
    for name in content.run_tags(record.spec) | content.end_tags(record):
        _validate_tag_name(name)


def test_two_labels_do_not_become_one_metric(record):
    n_values = sum(len(metrics) for splits in (record.final, record.best) for metrics in splits.values())
    names = [name for name in content.record_metrics(record, every=True) if name.startswith(("final/", "best/"))]
    assert len(names) == n_values


def test_a_step_and_an_evaluation_as_curves():
    step = {"kind": "step", "step": 7, "loss": 0.5, "learning_rate": 1e-4, "grad_norm": None}
    assert list(content.event_metrics(step)) == [("train/loss", 0.5, 7), ("train/learning_rate", 1e-4, 7)]
    evaluation = {"kind": "evaluation", "step": 7, "epoch": 1.4, "metrics": {"accuracy": 0.8}}
    assert list(content.event_metrics(evaluation)) == [("train/epoch", 1.4, 7), ("validation/accuracy", 0.8, 7)]
    assert list(content.event_metrics({"kind": "saving", "step": 7})) == []


def test_a_number_that_is_missing_is_absent(record):
    found = content.record_metrics(record.model_copy(update={"examples_per_second": None, "best_score": None}))
    assert {"examples_per_second", "best_validation_score", "peak_memory_mib"}.isdisjoint(found)
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.values())


def test_how_a_run_ended_and_why(record):
    failed = record.model_copy(update={"status": "failed", "error": "the worker was killed", "attempts": 2})
    tags = content.end_tags(failed)
    assert (tags["bertft.status"], tags["bertft.error"], tags["bertft.attempts"]) == ("failed", "the worker was killed", "2")
    assert MLFLOW_STATUS["failed"] == "FAILED"
    tags = content.end_tags(record)
    assert "bertft.error" not in tags
    assert tags["bertft.weights_sha256"] == record.weights_sha256
    assert tags["bertft.device"] == "made-up CPU"
    assert not any("version" in name for name in tags), "they are in record.json"


def test_statistics_have_names_that_no_run_has(record, summary):
    names = content.summary_metrics(summary)
    assert {"summary/full/best/test/accuracy/mean", "summary/full/best/test/accuracy/sd", "summary/full/runs/ok"} <= set(names)
    assert all(name.startswith("summary/") for name in names)
    assert not any(name.startswith("summary/") for name in content.record_metrics(record))
    row = next(row for row in summary.arms[1].metrics if (row.split, row.checkpoint, row.metric) == ("test", "best", "accuracy"))
    assert names["summary/full/best/test/accuracy/t_low"] == row.t_low


def test_a_page_has_few_numbers_unless_all_are_asked_for(record, summary):
    headline, statistics = content.headline_metrics(summary), content.summary_metrics(summary)
    assert all(name.startswith("summary/") for name in headline)
    same = {name: value for name, value in statistics.items() if name in headline}
    assert same == {name: value for name, value in headline.items() if name in statistics}
    pair = summary.comparison.pair("full", "features")
    assert (headline["summary/full/difference"], headline["summary/full/claimed"]) == (pair.difference, float(pair.claimed))
    assert headline.keys() >= {f"summary/full/best/test/accuracy/{field}" for field in ("mean", "sd", "t_low", "t_high", "n")}
    assert len(headline) <= 12 * len(summary.arms) < len(statistics)
    run, every = content.record_metrics(record), content.record_metrics(record, every=True)
    assert run.items() <= every.items()
    assert {"best/test/accuracy", "final/test/accuracy", "best/test/log_loss"} <= run.keys()
    assert {"best/test/f1/a_2f_2fb", "final/test/log_loss"} <= every.keys() - run.keys()
    assert len(run) <= 60


def test_in_a_crossed_design_a_run_says_which_init_and_order_it_has(study, card):
    params = content.run_params(make_spec(study, card), {"init": 1, "order": 2})
    assert (params["init_index"], params["order_index"]) == ("1", "2")


def test_a_run_on_a_subset_has_so_many_examples_to_learn_from(study, card):
    spec = make_spec(study, card)
    assert content.data_params(spec, card) == {"data.max_length": "32", "data.n_train_examples": "80"}
    assert content.data_params(spec.model_copy(update={"train_examples": 20}), card)["data.n_train_examples"] == "20"


def test_the_data_set_within_mlflows_limits(card):
    dataset = content.dataset_input(card.model_copy(update={"name": "n" * 900})).dataset
    assert len(dataset.name) <= 500
    assert len(dataset.digest) <= 36
    assert card.fingerprint.startswith(dataset.digest)
    assert json.loads(dataset.profile)["test"]["n_examples"] == 40


def test_two_labels_never_share_the_name_of_a_metric(record):
    scores = {"f1/a/b": 0.1, "f1/a_2fb": 0.2, "f1/a_2f_62": 0.3, "f1/a!": 0.4, "accuracy": 0.5}
    run = content.record_metrics(record.model_copy(update={"final": {}, "best": {"test": scores}}), every=True)
    written = {name.removeprefix("best/test/"): value for name, value in run.items() if name.startswith("best/test/")}
    assert sorted(written.values()) == sorted(scores.values())
    assert {written[name] for name in ("f1/a_2fb", "f1/a_2f_62", "f1/a_21", "accuracy")} == {0.2, 0.3, 0.4, 0.5}
    event = {"kind": "evaluation", "epoch": 1.0, "step": 5, "metrics": scores}
    assert sorted(value for name, value, _ in content.event_metrics(event, every=True) if name != "train/epoch") == sorted(
        scores.values()
    )
    for name in written:
        _validate_metric_name(name)

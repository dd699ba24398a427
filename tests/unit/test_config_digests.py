"""What a study or a run asks for is in its digest; how it is called and carried out is not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bertft_core.config import StudyConfig, parse_study
from bertft_core.config.base import canonical_json, digest_of
from bertft_core.records import RunSpec
from bertft_core.records.run_spec import LEFT_OUT_OF_DIGEST
from tests.helpers.small_records import make_card, make_spec, make_study

BASE = {"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}}

ASKED = {
    "seed": 1,
    "data": {"source": "bundled", "name": "reviews", "max_length": 64},
    "encoder": {"checkpoint": "prajjwal1/bert-tiny"},
    "head": None,  # there is one kind only; a second one must be added here
    "metric": "mcc",
    "training": {"learning_rate": 1e-4},
    "arms": {"full": {"batch_size": 8}},
    "seeds": {"n": 6},
}
NOT_ASKED = {
    "name": "t",
    "description": "other words",
    "headline": {"checkpoint": "final"},
    "ensemble": True,
    "max_arms": 7,
    "probes": {},
    "execution": {"slots": 3, "device": "cpu", "retries": 0, "checkpoint_every_seconds": 5.0},
    "retention": {"checkpoints": "none"},
    "tracking": {"log_models": False},
}

RESULT = {
    "version": 3,
    "head": None,  # as above
    "encoder": {"checkpoint": "c", "revision": None, "weights_sha256": "0" * 64},
    "data_fingerprint": "0" * 64,
    "labels": ("negative", "neutral", "positive"),
    "metric": "mcc",
    "training": {"learning_rate": 1e-4},
    "strategies": ({"kind": "feature_extraction"},),
    "train_examples": 20,
    "replayed_sha256": "1" * 64,
    "seeds": {"init": 1, "order": 2, "dropout": 3},
    "threads": 2,
    "compute": {"kernels": "onednn"},
    "evaluated_splits": ("validation",),
    "repeat": 1,
}


def test_every_section_of_a_study_is_asked_or_not_asked():
    assert ASKED.keys() | NOT_ASKED.keys() == StudyConfig.model_fields.keys()
    assert not ASKED.keys() & NOT_ASKED.keys()


@pytest.mark.parametrize("name", [name for name, value in ASKED.items() if value is not None])
def test_what_a_study_asks_for_changes_its_digest(name):
    assert parse_study(BASE | {name: ASKED[name]}).digest != parse_study(BASE).digest


@pytest.mark.parametrize("name", NOT_ASKED)
def test_names_and_execution_do_not_change_a_studys_digest(name):
    study = parse_study(BASE | {name: NOT_ASKED[name]})
    assert getattr(study, name) != getattr(parse_study(BASE), name)
    assert study.digest == parse_study(BASE).digest


def test_threads_per_run_change_a_studys_digest():
    assert parse_study(BASE | {"execution": {"threads_per_run": 2}}).digest != parse_study(BASE).digest


def test_a_default_that_is_written_down_and_another_order_of_keys_give_the_same_digest():
    written = {"arms": {"full": {"strategies": [{"kind": "full"}]}}, "metric": "accuracy", "head": "classification", "seed": 0}
    again = parse_study(dict(reversed([*(BASE | written).items()])))
    assert again.digest == parse_study(BASE).digest


def test_the_digest_is_the_same_in_another_process():
    code = "import json,sys; from bertft_core.config import parse_study; print(parse_study(json.load(sys.stdin)).digest)"
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps(BASE), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == parse_study(BASE).digest


def test_the_json_a_digest_is_taken_of_is_canonical():
    assert canonical_json({"b": 1e-05, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1e-05}'
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_every_field_of_a_run_spec_decides_its_result_or_is_left_out_by_name():
    assert RESULT.keys() | LEFT_OUT_OF_DIGEST == RunSpec.model_fields.keys()
    assert not RESULT.keys() & LEFT_OUT_OF_DIGEST


@pytest.mark.parametrize("name", [name for name, value in RESULT.items() if value is not None])
def test_what_decides_a_result_changes_the_digest(tmp_path, name):
    spec = make_spec(make_study(), make_card(tmp_path))
    other = RunSpec.model_validate({**spec.model_dump(), name: RESULT[name]})
    assert getattr(other, name) != getattr(spec, name)
    assert other.digest != spec.digest
    assert (other.setting_digest == spec.setting_digest) is (name == "seeds")


@pytest.mark.parametrize("stream", ["init", "order", "dropout", "examples"])
def test_each_stream_changes_the_digest(tmp_path, stream):
    spec = make_spec(make_study(), make_card(tmp_path))
    assert spec.model_copy(update={"seeds": spec.seeds.model_copy(update={stream: 1})}).digest != spec.digest


def test_long_questions_at_its_default_is_in_no_digest():
    questions = {"source": "bundled", "name": "questions"}
    base = {"name": "s", "data": questions, "head": "question_answering", "arms": {"full": {}}}
    assert "long_questions" not in parse_study(base).model_dump(mode="json")["data"]
    assert parse_study(base | {"data": questions | {"long_questions": "refuse"}}).digest == parse_study(base).digest
    assert parse_study(base | {"data": questions | {"long_questions": "drop"}}).digest != parse_study(base).digest


def test_what_concerns_subsets_of_the_training_set_is_in_no_digest_of_a_study_or_run_without_them(tmp_path):
    study = parse_study(BASE | {"arms": {"full": {"train_examples": None, "train_subsets": "per_seed", "learning_curve": None}}})
    assert study.digest == parse_study(BASE).digest
    spec = make_spec(make_study(), make_card(tmp_path)).model_dump(mode="json")
    assert "train_examples" not in spec
    assert "examples" not in spec["seeds"]

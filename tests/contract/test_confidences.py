"""What a run keeps of every evaluation: the probability of the true label of each example, also after a kill."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bertft_core.metrics import METRICS
from bertft_core.planning.run_specs import plan_runs
from bertft_core.storage.predictions import CONFIDENCES_FILE, read_predictions
from bertft_core.storage.study_dir import file_sha256
from bertft_core.training.run import train_run
from tests.helpers.interrupted_runs import interrupted, result_in
from tests.helpers.tiny_studies import tiny_study, tiny_tagged_study


def kept_by(record, run_dir):
    """Split → ids and confidences [examples, evaluations], and the steps."""
    table = read_predictions(run_dir / CONFIDENCES_FILE)
    assert record.files[CONFIDENCES_FILE] == file_sha256(run_dir / CONFIDENCES_FILE)
    rows = table.to_pylist()
    found = {
        split: (
            [r["example_id"] for r in rows if r["split"] == split],
            np.array([r["confidences"] for r in rows if r["split"] == split]),
        )
        for split in dict.fromkeys(table["split"].to_pylist())
    }
    return found, json.loads(table.schema.metadata[b"steps"])


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    arms = {"full": {}, "watched": {"evaluate_train": True}}
    study, card = tiny_study(tmp_path_factory.mktemp("kept"), arms=arms, seeds={"n": 1})
    return {spec.arm: spec for spec in plan_runs(study, card, {})}


def test_the_last_evaluation_is_that_of_the_stored_predictions(specs, tmp_path):
    record = train_run(specs["full"], run_dir=tmp_path)
    found, steps = kept_by(record, tmp_path)
    assert steps == {"validation": [evaluation.step for evaluation in record.evaluations]}
    ids, confidences = found["validation"]
    final = read_predictions(tmp_path / record.predictions["final"]["validation"])
    assert ids == final["example_id"].to_pylist()
    assert confidences.shape == (10, 3)
    assert confidences[:, -1] == pytest.approx(
        METRICS["classification"].confidence(final, record.spec.labels, record.spec.head), abs=1e-7
    )
    assert -np.log(confidences).mean(axis=0) == pytest.approx([e.metrics["log_loss"] for e in record.evaluations], abs=1e-6)


def test_training_examples_are_kept_on_request_and_change_nothing_else(specs, tmp_path):
    plain = train_run(specs["full"], run_dir=tmp_path / "plain")
    watched = train_run(specs["watched"], run_dir=tmp_path / "watched")
    found, steps = kept_by(watched, tmp_path / "watched")
    assert list(found) == ["train", "validation"]
    assert steps["train"] == steps["validation"]
    assert found["train"][1].shape == (24, 3)
    assert (found["validation"][1] == kept_by(plain, tmp_path / "plain")[0]["validation"][1]).all()
    assert watched.weights_sha256 == plain.weights_sha256
    assert watched.digest != plain.digest
    assert "evaluate_train" not in plain.spec.model_dump_json()


def test_a_run_that_was_killed_keeps_the_evaluations_before(specs, tmp_path):
    train_run(specs["watched"], run_dir=tmp_path / "whole")
    for kind, at_step in (("step", 8), ("saving", 15), ("predicting", None)):
        run_dir = tmp_path / f"{kind}-{at_step}"
        interrupted(specs["watched"], run_dir, kind, at_step)
        train_run(specs["watched"], run_dir=run_dir)
        assert result_in(run_dir)["files"] == result_in(tmp_path / "whole")["files"]


def test_sentences_are_kept_too_and_nothing_of_a_crf(tmp_path):
    study, card = tiny_tagged_study(tmp_path, arms={"full": {}, "crf": {"head": {"crf": True}}}, seeds={"n": 1})
    full, crf = (train_run(spec, run_dir=tmp_path / spec.arm) for spec in plan_runs(study, card, {}))
    assert kept_by(full, tmp_path / "full")[0]["validation"][1].shape == (10, 3)
    assert CONFIDENCES_FILE not in crf.files
    assert not (tmp_path / "crf" / CONFIDENCES_FILE).exists()

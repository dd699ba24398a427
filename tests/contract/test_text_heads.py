"""Runs of the heads over whole texts: the same whenever validated, killed or cut in passes; losses are those of the Trainer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import HEADS
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics import METRICS
from bertft_core.records import RunRecord
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.run import train_run
from tests.helpers import tiny_studies as studies
from tests.helpers.interrupted_runs import interrupted, losses_in, result_in, step_events
from tests.helpers.tiny_studies import stars, tiny_spec, tiny_study
from tests.helpers.trainer_parity import PARITY, batch_of, labels_for_transformers, steps_equal_to_the_trainers

CASES = {
    "classification, mean": {"kind": "classification", "pooling": "mean"},
    "classification, cls": {"kind": "classification", "pooling": "cls"},
    "multi_label": {"kind": "multi_label"},
    "regression": {"kind": "regression"},
    "regression, mean": {"kind": "regression", "pooling": "mean"},
}


@pytest.fixture(scope="module", params=CASES)
def prepared(request, tmp_path_factory) -> Any:
    return tiny_study(tmp_path_factory.mktemp("study"), head=CASES[request.param], pairs=True)


@pytest.fixture(scope="module")
def plain(prepared, tmp_path_factory) -> tuple[RunRecord, Path]:
    run_dir = tmp_path_factory.mktemp("plain")
    return train_run(tiny_spec(*prepared), run_dir=run_dir), run_dir


def test_metrics_recomputed_from_the_stored_predictions_are_those_of_the_record(prepared, plain):
    study, card = prepared
    record, run_dir = plain
    metrics = METRICS[study.head.kind]
    n_checked = 0
    for checkpoint, scores in (("final", record.final), ("best", record.best)):
        for split, found in scores.items():
            table = read_predictions(run_dir / record.predictions[checkpoint][split])
            tuned = metrics.tune(table, card.labels)
            assert metrics.compute(table, card.labels, **tuned) == found
            assert set(study.head.metrics) <= set(found) or study.head.kind == "multi_label"
            n_checked += 1
    assert n_checked == 4
    assert all(np.isfinite(value) for scores in record.final.values() for value in scores.values())
    assert record.majority_score == card.splits["validation"].constant_scores[study.metric]


@torch.no_grad()
def test_the_saved_model_gives_the_stored_predictions(prepared, plain):
    study, card = prepared
    record, run_dir = plain
    table = read_predictions(run_dir / record.predictions["best"]["test"])
    column = "predicted" if study.head.kind == "regression" else "logits"
    stored = np.array(table[column].to_pylist()).reshape(table.num_rows, -1)
    split = open_split(card.directory, "test")
    batch = batch_of(split, np.arange(split.n))
    np.testing.assert_allclose(load_model(run_dir / "model")(batch), stored, atol=1e-5)
    plain_model = AutoModelForSequenceClassification.from_pretrained(run_dir / "model").eval()
    assert (
        plain_model.config.problem_type
        == HEADS[study.head.kind].build(card.encoder_dir, card.labels, None, study.head).config.problem_type
    )
    if study.head.pooling == "pooler":
        np.testing.assert_allclose(plain_model(**batch).logits, stored, atol=1e-5)
    if card.labels:
        assert tuple(plain_model.config.id2label.values()) == card.labels


def test_weights_do_not_depend_on_when_the_run_is_validated(prepared, plain, tmp_path):
    for cadence in (1, 4):
        spec = tiny_spec(*prepared, evaluate_every_steps=cadence, evaluate_every_epochs=None)
        record = train_run(spec, run_dir=tmp_path / str(cadence))
        assert record.weights_sha256 == plain[0].weights_sha256
        assert record.final == plain[0].final


@pytest.mark.parametrize("step", [2, 9])
def test_a_run_goes_on_after_a_kill_with_the_same_bits(prepared, plain, tmp_path, step):
    spec = tiny_spec(*prepared)
    interrupted(spec, tmp_path, "step", step)
    events: list[dict[str, Any]] = []
    train_run(spec, run_dir=tmp_path, on_event=events.append)
    assert events[0]["resumed_from_step"] == step - 1
    assert result_in(tmp_path) == result_in(plain[1])


@pytest.mark.parametrize("micro_batch_size", [1, 2])
def test_a_step_in_several_passes_is_the_whole_step(prepared, tmp_path, micro_batch_size):
    curves = []
    for size in (None, micro_batch_size):
        spec = tiny_spec(*prepared, dropout=0.0, micro_batch_size=size, learning_rate=1e-3)
        train_run(spec, run_dir=tmp_path / str(size))
        curves.append([(event["loss"], event["grad_norm"]) for event in step_events(tmp_path / str(size))])
    whole, split = np.array(curves)
    np.testing.assert_allclose(split[:, 0], whole[:, 0], atol=1e-5, rtol=1e-6)
    np.testing.assert_allclose(split[:, 1], whole[:, 1], rtol=2e-4)
    assert np.ptp(whole[:, 0]) > 0.01, "the losses differ from step to step, so equality says something"


# Parity with transformers


@pytest.mark.parametrize("head", ["multi_label", "regression"])
def test_twenty_losses_are_those_of_the_trainer(tmp_path, head):
    """The Trainer is given standardised numbers, as our learner is."""

    def labelled(split: PreparedSplit, indices: np.ndarray, step: int) -> dict[str, torch.Tensor]:
        labels = labels_for_transformers(head, split, indices)
        if head == "regression":
            labels = (labels - split.values("label").mean()) / split.values("label").std()
        return batch_of(split, indices) | {"labels": labels.float()}

    steps_equal_to_the_trainers(tiny_spec(*tiny_study(tmp_path, head=head, pairs=True), **PARITY), tmp_path, labelled)


# A predictor that learned nothing


def test_a_constant_regression_is_collapsed(tmp_path, monkeypatch):
    study, card = tiny_study(tmp_path, head="regression")
    constant = dataclasses.replace(HEADS["regression"], outputs=lambda model, logits, inputs, config: [3.0] * len(logits))
    monkeypatch.setitem(HEADS, "regression", constant)
    record = train_run(tiny_spec(study, card), run_dir=tmp_path / "run")
    assert record.status == "collapsed"
    assert {record.final[split][name] for split in record.final for name in ("pearson", "spearman")} == {0.0}


def test_the_unit_and_the_origin_of_the_numbers_change_nothing_that_is_learned(tmp_path, monkeypatch):
    records, losses = [], []
    for name, (unit, origin) in {"plain": (1, 0), "other": (2048, -65536)}.items():
        monkeypatch.setitem(
            studies.LABELS, "regression", lambda text, good, unit=unit, origin=origin: unit * stars(text, good) + origin
        )
        study, card = tiny_study(tmp_path / name, head="regression")
        records.append(train_run(tiny_spec(study, card), run_dir=tmp_path / name / "run"))
        losses.append(losses_in(tmp_path / name / "run"))
    np.testing.assert_allclose(*losses, rtol=1e-3)
    first, second = (record.final["test"] for record in records)
    assert second["pearson"] == pytest.approx(first["pearson"], abs=1e-3)
    assert second["rmse"] == pytest.approx(2048 * first["rmse"], rel=1e-3)

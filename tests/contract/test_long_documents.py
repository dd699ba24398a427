"""The laws of a run hold for documents in windows, read whole or in chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import open_split
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics import METRICS
from bertft_core.metrics.prediction_columns import matrix
from bertft_core.storage.predictions import read_predictions
from bertft_core.training import microbatching
from bertft_core.training.run import train_run
from tests.helpers.tiny_studies import long_study, tiny_spec, with_training

RESUMABLE = {"epochs": 2, "evaluate_every_steps": 4, "evaluate_every_epochs": None}


class Interrupted(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module", params=["mean", "max", "first", "attention"])
def prepared(request, tmp_path_factory):
    return long_study(tmp_path_factory.mktemp("study"), head={"kind": "classification", "aggregate": request.param})


@pytest.fixture(params=[10**6, 25], ids=["whole", "chunked"])
def chunked(request, monkeypatch) -> bool:
    monkeypatch.setattr(microbatching, "MAX_TOKENS", request.param)
    return request.param == 25


def test_weights_do_not_depend_on_when_a_run_is_validated_or_killed(prepared, chunked, tmp_path):
    spec = tiny_spec(*prepared, **RESUMABLE)
    unbroken = train_run(spec, run_dir=tmp_path / "unbroken")
    other = train_run(with_training(spec, evaluate_every_steps=1), run_dir=tmp_path / "each")
    assert other.weights_sha256 == unbroken.weights_sha256

    def kill(event: dict[str, Any]) -> None:
        if event["kind"] == "step" and event["step"] == 7:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_run(spec.model_copy(update={"checkpoint_every_seconds": 1e-9}), run_dir=tmp_path / "broken", on_event=kill)
    resumed = train_run(spec, run_dir=tmp_path / "broken")
    assert resumed.weights_sha256 == unbroken.weights_sha256
    assert resumed.best == unbroken.best


def curve(run_dir: Path) -> np.ndarray:
    """Loss and norm of the gradient of every step."""
    events = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    return np.array([(event["loss"], event["grad_norm"]) for event in events if event["kind"] == "step"])


def test_a_step_is_the_same_however_it_is_cut(prepared, monkeypatch, tmp_path):
    """In passes and in chunks; without dropout, whose masks depend on both."""
    how = {"dropout": 0.0, "epochs": None, "max_steps": 6, "learning_rate": 5e-4}
    curves = {}
    for micro, limit in ((None, 10**6), (None, 25), (1, 10**6), (2, 25)):
        monkeypatch.setattr(microbatching, "MAX_TOKENS", limit)
        run_dir = tmp_path / f"{micro}-{limit}"
        train_run(tiny_spec(*prepared, micro_batch_size=micro, **how), run_dir=run_dir)
        curves[micro, limit] = curve(run_dir)
    whole = curves.pop((None, 10**6))
    assert whole.shape == (6, 2)
    for cut in curves.values():
        np.testing.assert_allclose(cut[:, 0], whole[:, 0], atol=1e-6, rtol=0)
        np.testing.assert_allclose(cut[:, 1], whole[:, 1], rtol=1e-4)
    assert np.ptp(whole[:, 0]) > 0.01, "the losses differ from step to step, so equality says something"


def test_predictions_are_the_saved_models_and_scored_as_documents(prepared, tmp_path):
    _, card = prepared
    spec = tiny_spec(*prepared)
    record = train_run(spec, run_dir=tmp_path)
    predictions = read_predictions(tmp_path / record.predictions["best"]["test"])
    split = open_split(card.directory, "test")
    assert predictions.num_rows == split.n == card.splits["test"].n_examples < card.splits["test"].n_windows
    assert METRICS["classification"].compute(predictions, spec.labels) == record.best["test"]
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    opened = load_model(tmp_path / "model")
    how = {
        "mean": lambda rows, states: rows.mean(0),
        "max": lambda rows, states: rows.amax(0),
        "first": lambda rows, states: rows[0],
        "attention": lambda rows, states: (opened.model.window_attention(states).softmax(0) * rows).sum(0),
    }
    expected, in_one_call = [], []
    for i in range(split.n):
        batch = padded(split.input_ids(i), split.token_type_ids(i), split.window_lengths(i), split.pad_token_id)
        states = model.base_model(**batch).last_hidden_state[:, 0]
        expected.append(how[spec.head.aggregate](model(**batch).logits, states).detach().numpy())
        in_one_call.append(opened.of_document(batch).numpy())
    np.testing.assert_allclose(matrix(predictions, "logits", 2), np.stack(expected), atol=1e-5)
    np.testing.assert_allclose(np.stack(in_one_call), np.stack(expected), atol=1e-5)


def test_texts_of_one_window_learn_the_same_with_attention_as_without(tmp_path):
    """Their window's weight is 1, so attention neither changes a logit nor gets a gradient; without clipping, whose norm is over
    all parameters and may round differently."""
    finals = {}
    for aggregate in ("mean", "attention"):
        head = {"kind": "classification", "aggregate": aggregate}
        study, card = long_study(tmp_path / aggregate, head=head, data={"max_length": 48, "doc_stride": None})
        assert all(split.n_windows == split.n_examples for split in card.splits.values())
        record = train_run(tiny_spec(study, card, max_grad_norm=None), run_dir=tmp_path / f"{aggregate}-run")
        finals[aggregate] = load_file(tmp_path / f"{aggregate}-run" / "model" / "model.safetensors"), record
    (plain, plain_record), (attention, record) = finals["mean"], finals["attention"]
    assert plain.keys() == attention.keys()
    assert all(torch.equal(plain[name], attention[name]) for name in plain)
    assert record.best == plain_record.best
    assert record.n_parameters - plain_record.n_parameters == 16 * 16 + 2 * 16


def test_a_frozen_encoder_reads_windows_once_and_gives_the_same_run(prepared, chunked, tmp_path, monkeypatch):
    spec = tiny_spec(*prepared, "features")
    first = train_run(spec, run_dir=tmp_path / "first")
    again = train_run(spec, run_dir=tmp_path / "again")
    assert first.weights_sha256 == again.weights_sha256
    assert first.best == again.best
    monkeypatch.setattr("bertft_core.training.run.RunParts._use_frozen_features", lambda run: None)
    plain = train_run(tiny_spec(*prepared, "features", dropout=0.0), run_dir=tmp_path / "plain")
    monkeypatch.undo()
    stored = train_run(tiny_spec(*prepared, "features", dropout=0.0), run_dir=tmp_path / "stored")
    assert same(
        tmp_path / "plain" / plain.predictions["final"]["test"], tmp_path / "stored" / stored.predictions["final"]["test"]
    )


def same(one, other) -> bool:
    tables: list[pa.Table] = [read_predictions(path) for path in (one, other)]
    return np.allclose(*(matrix(table, "logits", 2) for table in tables), atol=1e-4)

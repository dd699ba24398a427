"""The laws of a run for taggers, with and without a CRF: cadence, kills, micro-batches, and the losses of the Trainer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForTokenClassification

from bertft_core.config.head_settings import part_file
from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import open_split
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics import METRICS
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.determinism import configure
from bertft_core.training.run import train_run
from tests.helpers.interrupted_runs import RESUMABLE, interrupted, result_in, steps_in
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_spec, tiny_tagged_study
from tests.helpers.trainer_parity import PARITY, column, our_steps, plain_words, steps_equal_to_the_trainers


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "crf"])
def prepared(request, tmp_path_factory):
    """Windows of 12 subwords, so that some sentences have several."""
    study, card = tiny_tagged_study(tmp_path_factory.mktemp("study"), head={"crf": request.param}, data={"max_length": 12})
    assert card.splits["train"].n_windows > card.splits["train"].n_examples
    return study, card


def test_weights_do_not_depend_on_when_the_run_is_validated(prepared, tmp_path):
    records = [
        train_run(tiny_spec(*prepared, evaluate_every_steps=n, evaluate_every_epochs=None), run_dir=tmp_path / str(n))
        for n in (1, 4, 1000)
    ]
    assert len({record.weights_sha256 for record in records}) == 1
    assert len({json.dumps(record.final) for record in records}) == 1
    assert records[0].weights_sha256 != train_run(tiny_spec(*prepared, index=1), run_dir=tmp_path / "other").weights_sha256


def test_a_run_goes_on_after_a_kill_with_the_same_bits(prepared, tmp_path):
    spec = tiny_spec(*prepared, **RESUMABLE)
    train_run(spec, run_dir=tmp_path / "unbroken")
    interrupted(spec, tmp_path / "broken", "step", 7)
    interrupted(spec, tmp_path / "broken", "predicting")
    train_run(spec, run_dir=tmp_path / "broken")
    assert result_in(tmp_path / "broken") == result_in(tmp_path / "unbroken")
    assert steps_in(tmp_path / "broken") == list(range(1, 21))


def test_the_best_weights_bring_their_crf_back(prepared, tmp_path):
    spec = tiny_spec(*prepared, epochs=6, evaluate_every_epochs=1, learning_rate=0.05)
    record = train_run(spec, run_dir=tmp_path)
    assert record.best["validation"][spec.metric] == max(e.metrics[spec.metric] for e in record.evaluations)
    assert record.best_step != record.n_steps, "the best weights are not the last ones, so something was brought back"


@pytest.mark.parametrize("micro_batch_size", [1, 3])
def test_a_step_in_several_passes_has_the_loss_and_gradient_of_the_whole_step(prepared, tmp_path, micro_batch_size):
    whole, parts = (
        our_steps(tiny_spec(*prepared, dropout=0.0, micro_batch_size=n, learning_rate=1e-3), tmp_path / str(n))
        for n in (None, micro_batch_size)
    )
    assert len(whole) == 15
    np.testing.assert_allclose(column(parts, "loss"), column(whole, "loss"), atol=1e-5, rtol=0)
    np.testing.assert_allclose(column(parts, "grad_norm"), column(whole, "grad_norm"), rtol=1e-4)
    assert np.ptp(column(whole, "loss")) > 0.01, "the losses differ from step to step, so equality says something"


def test_a_frozen_encoder_learns_from_stored_states(prepared, tmp_path):
    spec = tiny_spec(*prepared, "features", epochs=20, learning_rate=0.05)
    record = train_run(spec, run_dir=tmp_path / "run")
    assert record.status == "ok"
    assert record.best["test"]["f1"] > 0.0
    assert len(list(Path(spec.prepared_dir).glob("features/*/train.npy"))) == 1
    losses = column(our_steps(spec, tmp_path / "again"), "loss")
    assert losses[-5:].mean() < losses[:5].mean() * 0.7


# transformers.Trainer


def windows(split, indices, step):
    """Windows padded, with a label on each word's first piece in its owner and -100 elsewhere."""
    ids = np.concatenate([split.input_ids(i) for i in indices])
    types = np.concatenate([split.token_type_ids(i) for i in indices])
    lengths = np.concatenate([split.window_lengths(i) for i in indices])
    flat = []
    for i in indices:
        labels = np.full(len(split.input_ids(i)), -100)
        labels[split.ragged("word_starts", i)] = split.ragged("tags", i)
        flat.append(labels)
    batch = padded(ids, types, lengths, split.pad_token_id)
    labels = torch.full(batch["input_ids"].shape, -100)
    labels[batch["attention_mask"].bool()] = torch.from_numpy(np.concatenate(flat))
    return batch | {"labels": labels}


@pytest.mark.parametrize("accumulation", [1, 2])
def test_twenty_losses_are_those_of_the_trainer(tmp_path, accumulation):
    spec = tiny_spec(*tiny_tagged_study(tmp_path / "study", data={"max_length": 12}), **PARITY)
    ours = steps_equal_to_the_trainers(spec, tmp_path, windows, accumulation=accumulation)
    assert (column(ours, "grad_norm") > 1.0).any(), "clipping is part of the comparison"


CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    configure(1, CPU)


@pytest.mark.parametrize(("kind", "crf"), [("bert", False), *((kind, True) for kind in KINDS)])
def test_a_saved_model_opens_plainly_and_with_its_crf(tmp_path, kind, crf):
    study, card = tiny_tagged_study(tmp_path, kind=kind, data={"max_length": 12}, head={"crf": crf})
    record = train_run(tiny_spec(study, card, epochs=None, max_steps=2), run_dir=tmp_path / "run")
    model_dir: Path = tmp_path / "run" / "model"
    scored = read_predictions(tmp_path / "run" / record.predictions["best"]["test"]).to_pylist()
    plain, info = AutoModelForTokenClassification.from_pretrained(model_dir, output_loading_info=True)
    assert [sorted(found) for name, found in info.items() if name.endswith("_keys")] == [[], [], []]
    assert plain.config.id2label == dict(enumerate(card.labels))
    assert (model_dir / part_file("crf")).exists() == crf
    model, head = load_model(model_dir)
    assert head == study.head
    split = open_split(card.directory, "test")
    with torch.no_grad():
        for i, row in enumerate(scored):
            for opened in (plain.eval(), model):
                words = plain_words(opened, split, i, "first")
                np.testing.assert_allclose(words.numpy(), row["logits"], atol=1e-5, rtol=0)
            answer = model.crf.decode(words, [len(words)])[0] if crf else words.argmax(dim=1)
            assert answer.tolist() == row["predicted"]
            assert len(row["predicted"]) == len(row["label"]) == len(split.ragged("tags", i))


def test_a_run_learns_and_its_record_holds_what_its_predictions_say(tmp_path):
    study, card = tiny_tagged_study(tmp_path, data={"max_length": 20}, head={"word_prediction": "mean"})
    record = train_run(tiny_spec(study, card, epochs=30, evaluate_every_epochs=15), run_dir=tmp_path / "run")
    assert record.status == "ok"
    assert record.best["test"]["f1"] > 0.1
    assert record.majority_score == card.splits["validation"].constant_scores["f1"] == 0.0
    for split, scores in record.best.items():
        table = read_predictions(tmp_path / "run" / record.predictions["best"][split])
        assert METRICS["token_classification"].compute(table, card.labels) == scores
        stored = open_split(card.directory, split)
        assert table["example_id"].to_pylist() == stored.example_ids
        assert table["label"].to_pylist() == [stored.ragged("tags", i).tolist() for i in range(stored.n)]
        assert {table.schema.field(name).type.value_type for name in ("label", "predicted")} == {pa.int32()}
        assert table.schema.field("logits").type.value_type == pa.list_(pa.float32(), len(card.labels))

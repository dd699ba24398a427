"""Masked language modelling keeps the laws of a run, agrees with `transformers.Trainer`, and its models open plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import masked_lm
from bertft_core.heads.masked_lm import start_from_frequencies
from bertft_core.metrics import METRICS
from bertft_core.records import RunSpec
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.determinism import init_stream, masking_draw
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.run import train_run
from tests.helpers.interrupted_runs import interrupted, losses_in, result_in
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_spec, tiny_study
from tests.helpers.trainer_parity import PARITY, steps_equal_to_the_trainers

MLM = {"head": "masked_lm", "data": {"max_length": 20}, "arms": {"full": {}}}
"""Blocks so short that many texts have two."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_study(tmp_path_factory.mktemp("study"), **MLM)


@pytest.fixture(scope="module")
def spec(prepared) -> RunSpec:
    return tiny_spec(*prepared)


@pytest.fixture(scope="module")
def plain(spec, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    run_dir = tmp_path_factory.mktemp("plain")
    train_run(spec, run_dir=run_dir)
    return run_dir, result_in(run_dir)


# Laws


def test_weights_do_not_depend_on_when_the_run_is_validated(prepared, plain, tmp_path):
    _, expected = plain
    for cadence in (1, 4, 1000):
        spec = tiny_spec(*prepared, evaluate_every_steps=cadence, evaluate_every_epochs=None)
        record = train_run(spec, run_dir=tmp_path / str(cadence))
        assert record.weights_sha256 == expected["record"]["weights_sha256"]
        assert record.final == expected["record"]["final"]
        validated = {e.step: e.metrics for e in record.evaluations}
        assert validated[15] == expected["record"]["evaluations"][-1]["metrics"], "the masks of evaluation are fixed"


def test_the_masks_do_not_depend_on_micro_batches(prepared, plain, tmp_path):
    run_dir, _ = plain
    quiet = tiny_spec(*prepared, dropout=0.0)
    train_run(quiet, run_dir=tmp_path / "whole")
    for size in (1, 2, 3):
        train_run(tiny_spec(*prepared, dropout=0.0, micro_batch_size=size), run_dir=tmp_path / str(size))
        np.testing.assert_allclose(losses_in(tmp_path / str(size)), losses_in(tmp_path / "whole"), atol=1e-5, rtol=0)
    assert not np.allclose(losses_in(tmp_path / "whole"), losses_in(run_dir), atol=1e-2), "dropout does matter"


@pytest.mark.parametrize(("kind", "step"), [("step", 2), ("evaluation", 10), ("predicting", None)])
def test_a_run_goes_on_after_a_kill_with_the_same_bits(spec, plain, tmp_path, kind, step):
    interrupted(spec, tmp_path, kind, step)
    train_run(spec, run_dir=tmp_path)
    assert result_in(tmp_path) == plain[1]


def test_only_the_dropout_seed_changes_the_masks(prepared, tmp_path):
    spec = tiny_spec(*prepared, dropout=0.0, epochs=None, max_steps=1)

    def first_loss(name: str, **seeds: int) -> float:
        other = spec.model_copy(update={"seeds": spec.seeds.model_copy(update=seeds)})
        train_run(other, run_dir=tmp_path / name)
        return float(losses_in(tmp_path / name)[0])

    assert first_loss("same") == first_loss("again")
    assert first_loss("dropout", dropout=spec.seeds.dropout + 1) != first_loss("same")


def test_another_masking_ratio_is_another_run_with_the_same_evaluation(tmp_path):
    study, card = tiny_study(tmp_path, **MLM | {"head": {"kind": "masked_lm", "masking_ratio": 0.5}})
    usual, usual_card = tiny_study(tmp_path, **MLM)
    assert card.fingerprint == usual_card.fingerprint
    much, little = tiny_spec(study, card), tiny_spec(usual, usual_card)
    assert much.digest != little.digest
    records = [train_run(spec, run_dir=tmp_path / name) for name, spec in (("much", much), ("little", little))]
    assert records[0].weights_sha256 != records[1].weights_sha256
    stored = [read_predictions(tmp_path / name / "predictions/final/test.parquet") for name in ("much", "little")]
    assert stored[0]["n_masked"] == stored[1]["n_masked"]


# From end to end


def rounds(directory: Path, name: str, n: int, first: int) -> str:
    """Write texts in which every word tells the next one; the path."""
    words = ["good", "bad", "not", "never", "film", "food"]
    texts = [" ".join(words[(first + i + k) % len(words)] for k in range(12)) for i in range(n)]
    (directory / f"{name}.txt").write_text("\n\n".join(texts))
    return str(directory / f"{name}.txt")


def test_a_run_learns_from_what_stands_around_the_hidden_pieces(tmp_path):
    paths = {
        name: rounds(tmp_path, name, n, k) for k, (name, n) in enumerate({"train": 24, "validation": 10, "test": 10}.items())
    }
    study, card = tiny_study(tmp_path, **MLM | {"data": {"max_length": 20} | paths})
    record = train_run(tiny_spec(study, card, epochs=40, dropout=0.0, evaluate_every_epochs=20), run_dir=tmp_path / "run")
    assert record.status == "ok"
    unigram = card.splits["test"].constant_scores["loss"]
    assert record.final["test"]["loss"] < unigram - 0.3, "words alone are equally frequent"
    assert record.final["test"]["perplexity"] == pytest.approx(np.exp(record.final["test"]["loss"]))


def test_scores_are_those_of_the_stored_predictions(prepared, plain):
    _, card = prepared
    run_dir, result = plain
    record = result["record"]
    for checkpoint in ("final", "best"):
        for split in ("validation", "test"):
            table = read_predictions(run_dir / record["predictions"][checkpoint][split])
            assert table.column_names == ["example_id", "n_masked", "n_correct", "loss"]
            assert METRICS["masked_lm"].compute(table) == record[checkpoint][split]
            opened = open_split(card.directory, split)
            assert table["example_id"].to_pylist() == opened.example_ids
            assert table["n_masked"].to_pylist() == [len(opened.ragged("masked", i)) for i in range(opened.n)]


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "electra", "deberta-v2"])
def test_the_saved_model_opens_as_a_plain_masked_lm_with_the_same_losses(kind, tmp_path):
    study, card = tiny_study(tmp_path, kind=kind, **MLM)
    record = train_run(tiny_spec(study, card, epochs=1), run_dir=tmp_path / "run")
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / record.model_dir).eval()
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    split = open_split(card.directory, "test")
    stored = read_predictions(tmp_path / "run" / record.predictions["best"]["test"])
    for i in range(split.n):
        work = masked_lm.head_inputs(split, np.array([i]), study.head)
        batch = padded(work.input_ids, work.token_type_ids, work.window_lengths, split.pad_token_id)
        with torch.no_grad():
            logits = model(**batch).logits[batch["attention_mask"].bool()][torch.from_numpy(work.positions)]
        targets = torch.from_numpy(work.targets.ids)
        loss = float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
        assert loss == pytest.approx(stored["loss"][i].as_py(), abs=1e-3)
        assert int((logits.argmax(-1) == targets).sum()) == stored["n_correct"][i].as_py()


# Parity with transformers


@pytest.mark.parametrize("accumulation", [1, 2])
def test_twenty_losses_are_those_of_the_trainer_with_the_same_masks(prepared, tmp_path, accumulation):
    spec = tiny_spec(*prepared, **PARITY)

    def masked(split: PreparedSplit, indices: np.ndarray, step: int) -> dict[str, torch.Tensor]:
        work = masked_lm.head_inputs(split, indices, spec.head, masking_draw(spec.seeds.dropout, step))
        labels = np.full(len(work.input_ids), -100)
        labels[work.positions] = work.targets.ids
        batch = padded(work.input_ids, work.token_type_ids, work.window_lengths, split.pad_token_id)
        batch["labels"] = torch.full_like(batch["input_ids"], -100)
        batch["labels"][batch["attention_mask"].bool()] = torch.from_numpy(labels)
        return batch

    steps_equal_to_the_trainers(spec, tmp_path, masked, accumulation=accumulation, start=start_from_frequencies)


def test_a_frozen_encoder_is_never_taken_from_stored_features(tmp_path):
    arms = {"features": {"strategies": [{"kind": "feature_extraction"}]}}
    study, card = tiny_study(tmp_path, **MLM | {"arms": arms})
    split = open_split(card.directory, "train")
    with init_stream(0):
        model = masked_lm.build(card.encoder_dir, (), None, study.head)
    assert not ModelRunner(model, study.head, torch.device("cpu")).separable(split), "its texts are hidden anew in each step"
    record = train_run(tiny_spec(study, card, "features"), run_dir=tmp_path / "run")
    assert record.n_trainable_parameters < record.n_parameters / 2
    assert not (Path(card.directory) / "features").exists()


# A fresh vocabulary layer


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_vocabulary_layer_starts_from_the_frequencies_of_training(kind, tmp_path):
    study, card = tiny_study(tmp_path, kind=kind, **MLM)
    model, train = masked_lm.build(card.encoder_dir, (), None, study.head), open_split(card.directory, "train")
    pieces = np.concatenate([train.input_ids(i) for i in range(train.n)])
    special = [int(i) for i in train.metadata["special_ids"].split(",")]
    counts = np.bincount(pieces[~np.isin(pieces, special)], minlength=model.config.vocab_size)
    start_from_frequencies(model, train)
    bias = model.get_output_embeddings().bias.detach().double().numpy()
    np.testing.assert_allclose(bias, np.log((counts + 1) / (counts + 1).sum()), rtol=1e-5)
    assert np.exp(bias).sum() == pytest.approx(1.0, rel=1e-4)
    state = model.state_dict()
    assert {name for name, values in state.items() if values.shape == bias.shape and values.double().sum() != bias.sum()} == set()
    with torch.no_grad():
        model.get_output_embeddings().bias.fill_(0.25)
    start_from_frequencies(model, train)
    assert set(model.get_output_embeddings().bias.tolist()) == {0.25}, "a layer that was trained stays as it is"

"""Question answering from text to record: the laws of every run, the losses of the Trainer, scores computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics.question_answering import compute, majority, tune
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.run import train_run
from tests.helpers.batches import has_token_types
from tests.helpers.interrupted_runs import interrupted, result_in
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_questions, tiny_spec
from tests.helpers.trainer_parity import PARITY, steps_equal_to_the_trainers


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_questions(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def spec(prepared) -> RunSpec:
    return tiny_spec(*prepared, epochs=4, dropout=0.0)


@pytest.fixture(scope="module")
def plain(spec, tmp_path_factory) -> tuple[RunRecord, Path]:
    run_dir = tmp_path_factory.mktemp("plain")
    return train_run(spec, run_dir=run_dir), run_dir


# The laws


def test_weights_do_not_depend_on_when_the_run_is_validated(prepared, plain, tmp_path):
    often = tiny_spec(*prepared, epochs=4, dropout=0.0, evaluate_every_steps=3, evaluate_every_epochs=None)
    record = train_run(often, run_dir=tmp_path)
    assert len(record.evaluations) == 7 != len(plain[0].evaluations)
    assert record.weights_sha256 == plain[0].weights_sha256
    assert record.final == plain[0].final


def test_a_run_goes_on_after_a_kill_with_the_same_bits(spec, plain, tmp_path):
    interrupted(spec, tmp_path, "step", 8)
    train_run(spec, run_dir=tmp_path)
    assert result_in(tmp_path) == result_in(plain[1])


def test_micro_batches_change_no_loss(prepared, plain, tmp_path):
    """Questions with one window and with several weigh by their windows, however the step is cut."""
    train_run(tiny_spec(*prepared, epochs=4, dropout=0.0, micro_batch_size=2), run_dir=tmp_path)
    whole, cut = losses_of(plain[1]), losses_of(tmp_path)
    assert len(whole) == len(cut) == 20
    np.testing.assert_allclose(whole, cut, atol=1e-5, rtol=0)


def losses_of(run_dir: Path) -> list[float]:
    events = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if event["kind"] == "step"]


# The Trainer of transformers


def spans(split: PreparedSplit, indices: np.ndarray, step: int) -> dict[str, torch.Tensor]:
    """A batch as the Trainer takes it: all inputs of one length, for its loss counts padding among the pieces."""
    assert all(len(split.window_lengths(i)) == 1 for i in indices)
    ids = np.concatenate([split.input_ids(i) for i in indices])
    types = np.concatenate([split.token_type_ids(i) for i in indices])
    batch = padded(ids, types, split.lengths[indices], split.pad_token_id)
    assert batch["attention_mask"].all()
    starts, ends = (np.concatenate([split.ragged(name, i) for i in indices]).astype(np.int64) for name in ("starts", "ends"))
    return batch | {"start_positions": torch.from_numpy(starts), "end_positions": torch.from_numpy(ends)}


def test_twenty_losses_are_those_of_the_trainer(tmp_path):
    study, card = tiny_questions(tmp_path / "study", long=False)
    steps_equal_to_the_trainers(tiny_spec(study, card, **PARITY), tmp_path, spans)


# What a run leaves


def tables_of(record: RunRecord, run_dir: Path, checkpoint: str) -> dict[str, pa.Table]:
    return {name: read_predictions(run_dir / path) for name, path in record.predictions[checkpoint].items()}


@pytest.mark.parametrize("checkpoint", ["best", "final"])
def test_scores_are_those_of_the_predictions_with_the_threshold_of_the_validation_set(plain, checkpoint):
    record, run_dir = plain
    tables = tables_of(record, run_dir, checkpoint)
    tuned = tune(tables["validation"])
    assert set(tuned) == {"null_threshold"}
    scores = getattr(record, checkpoint)
    for name in ("validation", "test"):
        assert scores[name] == compute(tables[name], (), **tuned)
        assert scores[name]["null_threshold"] == tuned["null_threshold"]
        assert {"exact", "f1", "has_ans_f1", "no_ans_f1", "best_f1", "official_best_f1"} <= set(scores[name])


def test_tiny_questions_are_learned(prepared, plain):
    record, card = plain[0], prepared[1]
    assert record.status == "ok"
    assert record.majority_score == card.splits["validation"].constant_scores["f1"] == pytest.approx(1 / 3)
    assert record.best["validation"]["f1"] > 0.4


def test_a_set_without_unanswerable_questions_is_scored_as_squad_1(tmp_path):
    study, card = tiny_questions(tmp_path, unanswerable=False)
    record = train_run(tiny_spec(study, card), run_dir=tmp_path / "run")
    assert set(record.best["test"]) == {"exact", "f1"}
    tables = tables_of(record, tmp_path / "run", "best")
    assert tables["test"]["null_score"].null_count == tables["test"].num_rows
    assert record.majority_score == 0.0


def test_a_search_or_a_headline_may_go_by_the_best_attainable_scores(tmp_path):
    study, card = tiny_questions(tmp_path, metric="best_f1")
    record = train_run(tiny_spec(study, card, epochs=None, max_steps=2), run_dir=tmp_path / "run")
    assert record.best_score == record.best["validation"]["best_f1"]
    assert record.majority_score == card.splits["validation"].constant_scores["best_f1"]
    gold = pa.table({"answers": [["fox"], []]})
    assert majority(gold, gold)["best_exact"] == majority(gold, gold)["exact"] == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_model_opens_with_plain_transformers_and_finds_the_same_answers(kind, tmp_path):
    study, card = tiny_questions(tmp_path, kind=kind, long=False)
    record = train_run(tiny_spec(study, card, epochs=1), run_dir=tmp_path / "run")
    directory = tmp_path / "run" / record.model_dir
    model = AutoModelForQuestionAnswering.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    split = open_split(card.directory, "test")
    inputs = tokenizer(*map(list, zip(*(split.texts(i) for i in range(split.n)), strict=True)), return_tensors="pt")
    if not has_token_types(split):
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        output = model(**inputs)
    check_scores(output, read_predictions(tmp_path / "run" / record.predictions["best"]["test"]), split)
    opened = load_model(directory)
    torch.testing.assert_close(opened(inputs), torch.stack([output.start_logits, output.end_logits], dim=-1))


def check_scores(output: Any, predictions: pa.Table, split: PreparedSplit) -> None:
    """The null score and the score of the best answer are in the plain model's logits."""
    for i, row in enumerate(predictions.to_pylist()):
        starts, ends = output.start_logits[i], output.end_logits[i]
        assert row["null_score"] == pytest.approx(float(starts[0] + ends[0]), abs=1e-5)
        best = row["candidates"][0]
        offsets = split.ragged("offsets", i).reshape(-1, 2).tolist()
        start = next(k for k, (a, _) in enumerate(offsets) if a == best["start"])
        end = next(k for k, (_, b) in enumerate(offsets) if b == best["end"])
        assert best["score"] == pytest.approx(float(starts[start] + ends[end]), abs=1e-5)


def test_a_frozen_encoder_learns_a_span_head(prepared: tuple[Any, DatasetCard], tmp_path):
    record = train_run(tiny_spec(*prepared, "features", 0), run_dir=tmp_path)
    assert record.n_trainable_parameters == 2 * 16 + 2
    assert record.status in ("ok", "collapsed")
    assert record.best_step is not None

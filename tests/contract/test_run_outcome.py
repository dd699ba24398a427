"""How runs end, and that what they leave says the same as their record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from bertft_core.config import UserError
from bertft_core.config.strategy_settings import EarlyStopping
from bertft_core.data.prepared_split import open_split
from bertft_core.metrics.classification import compute
from bertft_core.metrics.prediction_columns import matrix, vector
from bertft_core.records import RunRecord
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import read_record
from bertft_core.training.evaluations import Validation
from bertft_core.training.run import train_run
from bertft_core.training.weights import weights_sha256
from tests.helpers.batches import has_token_types
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_spec, tiny_study, with_training

BY_STEPS = {"evaluate_every_epochs": None}
EXPLODING = {"learning_rate": 1.0, "weight_decay": 1e12, "max_grad_norm": None, "warmup_ratio": 0.0}
"""Decay multiplies every weight by -1e12 in each step, which single precision stands for three steps."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_study(tmp_path_factory.mktemp("study"), seeds={"n": 10})


@pytest.fixture
def run(prepared, tmp_path) -> Callable[..., tuple[RunRecord, list[dict[str, Any]]]]:
    """Train one arm and seed with some settings changed, in `tmp_path`; its record and events."""

    def train(arm: str = "full", index: int = 0, update: dict[str, Any] | None = None, **training: Any):
        spec = tiny_spec(*prepared, arm, index, **training).model_copy(update=update or {})
        events: list[dict[str, Any]] = []
        record = train_run(spec, run_dir=tmp_path, on_event=events.append)
        assert read_record(tmp_path / "record.json", RunRecord) == record
        return record, events

    return train


def logits_of(path: Path) -> np.ndarray:
    return matrix(read_predictions(path), "logits", 2)


def has_no_result(record: RunRecord, run_dir: Path) -> bool:
    absent = not (run_dir / "predictions").exists() and not (run_dir / "model").exists() and record.model_dir is None
    return absent and record.final == record.best == record.predictions == {}


# Ends


def test_a_run_whose_metric_overflows_has_diverged(run, tmp_path, monkeypatch):
    of, calls = Validation.of, []

    def overflowing(validation: Validation, *of_step: Any) -> Any:
        calls.append(validated := of(validation, *of_step))
        kept = {name: value for name, value in validated.metrics.items() if name != "accuracy" or len(calls) == 1}
        return validated._replace(metrics=kept)

    monkeypatch.setattr(Validation, "of", overflowing)
    record, _ = run()
    assert (record.status, len(calls), len(record.evaluations)) == ("diverged", 2, 1)
    assert record.error is not None
    assert record.error.startswith("accuracy of the validation set is too large for a number")
    assert has_no_result(record, tmp_path)


def test_a_run_that_ends_no_better_than_the_majority_is_collapsed(prepared, tmp_path):
    seen = set()
    for index in range(10):
        record = train_run(tiny_spec(*prepared, "full", index), run_dir=tmp_path / str(index))
        assert record.majority_score == 0.5
        assert record.status == ("ok" if record.final["validation"]["accuracy"] > 0.5 else "collapsed")
        assert record.finished
        seen.add(record.status)
        if len(seen) == 2:
            return
    pytest.fail(f"ten seeds were all {seen}")


def test_a_run_that_always_gives_one_answer_is_collapsed_but_scored(run, tmp_path):
    record, _ = run(learning_rate=1.0, dropout=0.0)
    answers = logits_of(tmp_path / record.predictions["final"]["validation"]).argmax(axis=1)
    assert len(set(answers)) == 1
    assert record.status == "collapsed"
    assert record.error is None
    assert record.final["validation"]["accuracy"] == record.majority_score == 0.5


def test_a_metric_that_falls_is_compared_the_other_way_round(run):
    record, _ = run(learning_rate=1.0, update={"metric": "log_loss"})
    assert record.majority_score == pytest.approx(np.log(2))
    assert record.final["validation"]["log_loss"] > record.majority_score
    assert record.status == "collapsed"
    losses = [evaluation.metrics["log_loss"] for evaluation in record.evaluations]
    assert record.best_score == min(losses)


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(run, tmp_path):
    record, events = run(**EXPLODING)
    assert record.status == "diverged"
    assert record.finished
    assert record.error in {f"the loss became {value} at step {record.n_steps} of 15" for value in ("nan", "inf")}
    assert 1 < record.n_steps < 15
    assert has_no_result(record, tmp_path)
    losses = [event["loss"] for event in events if event["kind"] == "step"]
    assert len(losses) == record.n_steps - 1
    assert np.isfinite(losses).all()
    assert [event["kind"] for event in events][-1] == "ended"
    assert "predicting" not in {event["kind"] for event in events}


def test_validation_logits_that_are_not_finite_end_the_run_as_diverged(run, tmp_path):
    record, _ = run(**EXPLODING, evaluate_every_steps=1, **BY_STEPS)
    assert record.status == "diverged"
    assert record.error == f"the logits of the validation set were not finite after step {record.n_steps}"
    assert len(record.evaluations) == record.n_steps - 1
    assert has_no_result(record, tmp_path)


def test_test_logits_that_are_not_finite_make_the_run_diverged_too(prepared, tmp_path):
    """A word that only the test set has, with an embedding that overflows."""
    study, card = prepared
    splits = {name: open_split(card.directory, name) for name in ("train", "validation", "test")}
    words = {name: {int(piece) for i in range(s.n) for piece in s.input_ids(i)} for name, s in splits.items()}
    alone = words["test"] - words["train"] - words["validation"]
    encoder_dir, run_dir = tmp_path / "encoder", tmp_path / "run"
    copy_encoder(Path(card.encoder_dir), encoder_dir, alone.pop())
    record = train_run(tiny_spec(study, card).model_copy(update={"encoder_dir": str(encoder_dir)}), run_dir=run_dir)
    assert record.status == "diverged"
    assert record.error == "the logits of 'test' were not finite with the final weights"
    assert record.n_steps == 15
    assert has_no_result(record, run_dir)


def copy_encoder(source: Path, target: Path, token: int) -> None:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    tensors = load_file(source / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][token] = 3e38
    save_file(tensors, target / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("metric", "thresholds", "step"),
    [
        ("accuracy", {0: 1.1}, 5),
        ("accuracy", {1: 1.1}, 10),
        ("log_loss", {0: -0.1}, 5),
        ("accuracy", {2: 1.1}, None),  # the last evaluation: there is nothing left to save
        ("accuracy", {0: -0.1, 1: 0.0}, None),
        ("log_loss", {0: 99.0}, None),
        ("accuracy", {}, None),
    ],
)
def test_a_run_under_its_threshold_is_pruned(run, tmp_path, metric, thresholds, step):
    record, events = run(update={"metric": metric, "prune_below": thresholds})
    assert record.n_steps == (step or 15)
    assert record.planned_steps == 15
    if step is None:
        assert record.status in ("ok", "collapsed")
        return
    assert record.status == "pruned"
    assert not record.finished
    assert has_no_result(record, tmp_path)
    assert record.best_score == record.evaluations[0].metrics[metric] or step > 5
    assert len(record.evaluations) == step / 5
    assert "predicting" not in {event["kind"] for event in events}


def stopping(**settings: Any) -> dict[str, Any]:
    return {"strategies": (EarlyStopping(**settings),)}


def test_early_stopping_restores_the_best_of_the_metric_it_watches(run):
    """The study selects by accuracy; the log-loss of this run is best elsewhere."""
    by_accuracy, _ = run(update=stopping(patience=20), epochs=10, learning_rate=0.002)
    by_loss, _ = run(update=stopping(patience=20, metric="log_loss"), epochs=10, learning_rate=0.002)
    losses = {e.step: e.metrics["log_loss"] for e in by_loss.evaluations}
    accuracies = {e.step: e.metrics["accuracy"] for e in by_loss.evaluations}
    assert by_loss.best_step == min(losses, key=losses.get)
    assert by_loss.best_score == accuracies[by_loss.best_step]
    assert by_accuracy.best_step == max(accuracies, key=accuracies.get)
    assert by_accuracy.best_step != by_loss.best_step, "else this shows nothing"


def test_a_run_stops_early_when_validation_does_not_rise(run):
    record, _ = run(update=stopping(patience=2), learning_rate=1e-12, epochs=10)
    assert [evaluation.step for evaluation in record.evaluations] == [5, 10, 15]
    assert (record.n_steps, record.planned_steps, record.best_step) == (15, 50, 5)
    assert record.status in ("ok", "collapsed")
    assert set(record.final) == {"validation", "test"}


def test_a_rise_under_min_delta_does_not_keep_a_run_going_but_is_the_best(run):
    update = {"metric": "log_loss"} | stopping(patience=2, min_delta=10.0)
    record, _ = run(update=update, epochs=10, learning_rate=0.002, dropout=0.0)
    losses = [evaluation.metrics["log_loss"] for evaluation in record.evaluations]
    assert len(losses) == 3
    assert record.best_score == min(losses) < losses[0]
    assert record.best_step == 5 * (1 + losses.index(min(losses)))


# What is left behind


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def best_before_the_end(request, prepared, tmp_path_factory) -> tuple[RunRecord, Path]:
    """A run whose best weights are not its last: found among a few seeds."""
    for index in range(10):
        run_dir = tmp_path_factory.mktemp("run")
        spec = tiny_spec(*prepared, "full", index, evaluate_every_steps=1, precision=request.param, **BY_STEPS)
        record = train_run(spec, run_dir=run_dir)
        if record.best_step != record.n_steps and record.best_score != record.evaluations[-1].metrics["accuracy"]:
            return record, run_dir
    pytest.fail("no seed was better before its end")


def test_scores_can_be_computed_again_from_the_predictions(best_before_the_end, prepared):
    record, run_dir = best_before_the_end
    _, card = prepared
    for checkpoint, scores in (("final", record.final), ("best", record.best)):
        assert list(record.predictions[checkpoint]) == ["validation", "test"]
        for split, path in record.predictions[checkpoint].items():
            stored = read_predictions(run_dir / path)
            prepared_split = open_split(card.directory, split)
            assert stored["example_id"].to_pylist() == prepared_split.example_ids
            assert vector(stored, "label").tolist() == prepared_split.labels.tolist()
            assert compute(stored, card.labels) == scores[split]
    assert record.final != record.best


def test_best_and_final_are_scored_as_they_were_while_training(best_before_the_end):
    record, _ = best_before_the_end
    scores = [evaluation.metrics["accuracy"] for evaluation in record.evaluations]
    assert record.best_score == max(scores)
    assert record.best_step == 1 + scores.index(max(scores)), "the first of equals"
    assert record.best["validation"] == record.evaluations[record.best_step - 1].metrics
    assert record.final["validation"] == record.evaluations[-1].metrics


def test_numbers_of_the_record_fit_together(best_before_the_end, prepared):
    record, run_dir = best_before_the_end
    _, card = prepared
    model = AutoModelForSequenceClassification.from_pretrained(run_dir / "model")
    assert record.n_parameters == record.n_trainable_parameters == model.num_parameters()
    assert record.n_train_examples == card.splits["train"].n_examples == 24
    assert record.examples_per_second == pytest.approx(3 * 24 / record.train_seconds)
    assert record.peak_memory_bytes > 50_000_000
    assert record.batches == card.batches == "packed"
    assert record.started_at < record.ended_at
    assert record.environment.threads == torch.get_num_threads() == 1
    assert record.environment.packages["torch"] == torch.__version__


def test_the_weights_hash_is_of_the_final_weights_also_when_best_ones_are_saved(best_before_the_end, prepared, tmp_path):
    record, run_dir = best_before_the_end
    saved = AutoModelForSequenceClassification.from_pretrained(run_dir / "model")
    assert weights_sha256(saved.named_parameters()) != record.weights_sha256
    at_the_end = train_run(with_training(record.spec, evaluate_every_steps=None), run_dir=tmp_path)
    assert at_the_end.weights_sha256 == record.weights_sha256
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert weights_sha256(saved.named_parameters()) == record.weights_sha256


@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_model_opens_with_plain_transformers_and_gives_the_best_logits(kind, tmp_path):
    study, card = tiny_study(tmp_path, kind=kind)
    run_dir = tmp_path / "run"
    record = train_run(tiny_spec(study, card), run_dir=run_dir)
    model = AutoModelForSequenceClassification.from_pretrained(run_dir / record.model_dir).eval()
    tokenizer = AutoTokenizer.from_pretrained(run_dir / record.model_dir)
    assert model.config.id2label == dict(enumerate(card.labels))
    split = open_split(card.directory, "test")
    inputs = tokenizer([split.texts(i)[0] for i in range(split.n)], padding=True, return_tensors="pt")
    if not has_token_types(split):
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        logits = model(**inputs).logits.numpy()
    np.testing.assert_allclose(logits, logits_of(run_dir / record.predictions["best"]["test"]), atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_saved_model_has_no_trace_of_how_it_was_trained(kind, tmp_path):
    study, card = tiny_study(tmp_path, kind=kind)
    train_run(tiny_spec(study, card), run_dir=tmp_path / "run")
    texts = [path.read_text() for path in (tmp_path / "run" / "model").glob("*.json")]
    assert len(texts) >= 3
    assert not any("bertft" in text or "attn_implementation" in text for text in texts)
    assert json.loads((tmp_path / "run" / "model" / "config.json").read_text())["model_type"] == kind
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"curves.jsonl", "model", "predictions", "record.json"}


# Precision


def test_fp16_on_a_cpu_is_a_mistake_only_the_user_can_mend(run):
    with pytest.raises(UserError, match="fp16 needs a GPU"):
        run(precision="fp16")


def test_bf16_on_a_cpu_trains_full_precision_weights(run, tmp_path):
    record, _ = run(precision="bf16")
    assert record.status in ("ok", "collapsed")
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    assert {values.dtype for values in tensors.values()} == {torch.float32}
    logits = torch.from_numpy(logits_of(tmp_path / record.predictions["final"]["test"]).copy())
    assert torch.equal(logits, logits.bfloat16().float()), "it is scored in the precision it was trained in"
    in_full = train_run(with_training(record.spec, precision="fp32"), run_dir=tmp_path / "fp32")
    assert record.weights_sha256 != in_full.weights_sha256


def test_events_tell_the_run_in_order(run):
    _, events = run()
    kinds = [event["kind"] for event in events]
    step, evaluation = "step", "evaluation"
    assert kinds == ["started", "untrained", *([step] * 5 + [evaluation]) * 3, "predicting", "ended"]
    assert events[0] == {"kind": "started", "planned_steps": 15, "resumed_from_step": None}
    rates = [event["learning_rate"] for event in events if event["kind"] == step]
    assert rates == pytest.approx([0, 0.005] + [0.01 * (15 - k) / 13 for k in range(2, 15)])
    assert [event["step"] for event in events if event["kind"] == step] == list(range(1, 16))


def test_a_spec_with_splits_it_does_not_evaluate_leaves_them_alone(run):
    record, _ = run(update={"evaluated_splits": ("validation",)})
    assert set(record.final) == set(record.predictions["best"]) == {"validation"}

"""Answers for new examples are those a run stored of its own test set; several seeds answer with the mean of theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.new_examples import Inputs, read_inputs
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics import METRICS
from bertft_core.metrics.question_answering import predicted_texts
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.predict import KeptRun, predict
from bertft_core.training.run import train_run
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import long_study, tiny_questions, tiny_spec, tiny_study, tiny_tagged_study

Make = Callable[..., tuple[StudyConfig, Any]]
STUDIES: dict[str, tuple[str, Make, dict[str, Any]]] = {
    "classification": ("classification", tiny_study, {}),
    "pairs": ("classification", tiny_study, {"pairs": True}),
    "pooled": ("classification", tiny_study, {"head": {"kind": "classification", "pooling": "mean"}}),
    "windows": ("classification", long_study, {"head": {"kind": "classification", "aggregate": "max"}}),
    "attention": ("classification", long_study, {"head": {"kind": "classification", "aggregate": "attention"}}),
    "multi_label": ("multi_label", tiny_study, {"head": "multi_label"}),
    "regression": ("regression", tiny_study, {"head": "regression"}),
    "tags": ("token_classification", tiny_tagged_study, {"metric": "accuracy"}),
    "tags in windows": ("token_classification", tiny_tagged_study, {"metric": "accuracy", "data": {"max_length": 12}}),
    "crf": ("token_classification", tiny_tagged_study, {"head": {"crf": True}, "metric": "accuracy"}),
    "squad2": ("question_answering", tiny_questions, {}),
    "squad1": ("question_answering", tiny_questions, {"unanswerable": False}),
    "masked_lm": ("masked_lm", tiny_study, {"head": "masked_lm"}),
}
"""Name → kind of its head, what makes the study, and with what."""
STORED = [name for name in STUDIES if name != "masked_lm"]


class Trained(NamedTuple):
    """A tiny study and its runs over two seeds."""

    study: StudyConfig
    labels: tuple[str, ...]
    runs: list[KeptRun]

    @property
    def kind(self) -> str:
        return self.study.head.kind

    def inputs(self, split: str = "test") -> Inputs:
        return read_inputs(Path(getattr(self.study.data, split)), self.study.data, self.kind)

    def predicted(self, *runs: KeptRun, inputs: Inputs | None = None) -> list[dict[str, Any]]:
        return predict(runs, inputs or self.inputs(), self.study.data, threads=1).rows

    def stored(self, run: KeptRun, split: str = "test") -> list[dict[str, Any]]:
        return read_predictions(run.run_dir / run.record.predictions["best"][split]).to_pylist()


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[..., Trained]:
    """Trains a study of `STUDIES` at its first use."""
    made: dict[tuple[str, str], Trained] = {}

    def train(name: str, encoder: str = "bert") -> Trained:
        if (name, encoder) not in made:
            _, make, how = STUDIES[name]
            folder = tmp_path_factory.mktemp("study")
            study, card = make(folder, kind=encoder, **how)
            runs = []
            for index in (0, 1):
                run_dir = folder / str(index)
                record = train_run(tiny_spec(study, card, index=index, epochs=None, max_steps=8), run_dir=run_dir)
                runs.append(KeptRun(record, run_dir))
            made[name, encoder] = Trained(study, card.labels, runs)
        return made[name, encoder]

    return train


def test_every_kind_of_head_is_here():
    assert {kind for kind, _, _ in STUDIES.values()} == set(HEAD_CONFIGS) == set(METRICS)


# One seed


def softmax(values: Any) -> np.ndarray:
    exponentials = np.exp(np.asarray(values, np.float64) - np.max(values, axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def named(probabilities: Mapping[str, float], labels: tuple[str, ...]) -> list[float]:
    assert tuple(probabilities) == labels
    return list(probabilities.values())


def check_classification(case: Trained, run: KeptRun, row: dict[str, Any], stored: dict[str, Any]) -> None:
    assert row["prediction"] == case.labels[int(np.argmax(stored["logits"]))]
    np.testing.assert_allclose(named(row["probabilities"], case.labels), softmax(stored["logits"]), atol=1e-5)


def check_multi_label(case: Trained, run: KeptRun, row: dict[str, Any], stored: dict[str, Any]) -> None:
    assert row["prediction"] == [label for label, logit in zip(case.labels, stored["logits"], strict=True) if logit > 0]
    expected = 1 / (1 + np.exp(-np.array(stored["logits"])))
    np.testing.assert_allclose(named(row["probabilities"], case.labels), expected, atol=1e-5)


def check_regression(case: Trained, run: KeptRun, row: dict[str, Any], stored: dict[str, Any]) -> None:
    assert row["prediction"] == pytest.approx(stored["predicted"], abs=1e-5)


def check_token_classification(case: Trained, run: KeptRun, row: dict[str, Any], stored: dict[str, Any]) -> None:
    assert row["prediction"] == [case.labels[i] for i in stored["predicted"]]
    found = [named(word, case.labels) for word in row["probabilities"]]
    if case.study.head.crf:  # type: ignore[union-attr]
        expected = load_model(run.model_dir).model.crf.marginals(torch.tensor(stored["logits"]), [len(found)]).numpy()
        assert np.abs(expected - softmax(stored["logits"])).max() > 1e-3, "the neighbours of a word matter"
    else:
        expected = softmax(stored["logits"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def check_question_answering(case: Trained, run: KeptRun, row: dict[str, Any], stored: dict[str, Any]) -> None:
    scores = [item["score"] for item in stored["candidates"]]
    shares = softmax(scores + [stored["null_score"]] * (stored["null_score"] is not None))
    assert [item["text"] for item in row["candidates"]] == [item["text"] for item in stored["candidates"][:5]]
    for item, candidate, share in zip(row["candidates"], stored["candidates"], shares, strict=False):
        assert (item["start"], item["end"]) == (candidate["start"], candidate["end"])
        assert item["probability"] == pytest.approx(share, abs=1e-5)
    assert ("no_answer" in row) == (stored["null_score"] is not None)
    if stored["null_score"] is not None:
        assert row["no_answer"] == pytest.approx(shares[-1], abs=1e-5)


CHECKS = {
    "classification": check_classification,
    "multi_label": check_multi_label,
    "regression": check_regression,
    "token_classification": check_token_classification,
    "question_answering": check_question_answering,
}


@pytest.mark.parametrize("name", STORED)
def test_a_run_predicts_what_it_stored_of_its_test_set(trained, name):
    case = trained(name)
    for run in case.runs:
        rows, stored = case.predicted(run), case.stored(run)
        assert len(rows) == len(stored) > 5
        for row, of_run in zip(rows, stored, strict=True):
            CHECKS[case.kind](case, run, row, of_run)
            assert {"agreement", "votes", "sd"}.isdisjoint(row), "there is nobody to agree with"
    assert case.predicted(case.runs[0]) != case.predicted(case.runs[1])


@pytest.mark.parametrize("name", ["squad2", "squad1"])
def test_questions_are_left_empty_by_the_threshold_of_the_validation_set(trained, name):
    case = trained(name)
    for run in case.runs:
        paths = run.record.predictions["best"]
        tables = {split: read_predictions(run.run_dir / paths[split]) for split in ("validation", "test")}
        tuned = METRICS["question_answering"].tune(tables["validation"], case.labels)
        expected = predicted_texts(tables["test"], **tuned)
        rows = case.predicted(run)
        assert [row["prediction"] for row in rows] == expected
        contexts = [json.loads(line)["context"] for line in Path(case.study.data.test).read_text().splitlines()]
        for row, context in zip(rows, contexts, strict=True):
            if row["prediction"]:
                assert context[row["start"] : row["end"]] == row["prediction"]
            else:
                assert row["start"] is row["end"] is None


@pytest.mark.parametrize("encoder", [kind for kind in KINDS if kind != "bert"])
@pytest.mark.parametrize("name", ["pairs", "tags", "squad2"])
def test_the_other_families_do_too(trained, name, encoder):
    case = trained(name, encoder)
    (run, _) = case.runs
    for row, stored in zip(case.predicted(run), case.stored(run), strict=True):
        CHECKS[case.kind](case, run, row, stored)


def test_entities_are_the_runs_of_tags(trained):
    case = trained("tags")
    rows = case.predicted(case.runs[0])
    assert any(row["entities"] for row in rows)
    for row in rows:
        inside = {i for entity in row["entities"] for i in range(entity["start"], entity["end"])}
        assert inside == {i for i, tag in enumerate(row["prediction"]) if tag != "O"}
        for entity in row["entities"]:
            tags = row["prediction"][entity["start"] : entity["end"]]
            assert {tag.partition("-")[2] for tag in tags} == {entity["type"]}


# Several seeds


@pytest.mark.parametrize("name", ["classification", "windows"])
def test_the_ensemble_of_classifiers_answers_with_the_mean_probability(trained, name):
    case = trained(name)
    own = [[np.array(row["logits"]) for row in case.stored(run)] for run in case.runs]
    rows = case.predicted(*case.runs)
    for row, *logits in zip(rows, *own, strict=True):
        mean = np.mean([softmax(values) for values in logits], axis=0)
        np.testing.assert_allclose(named(row["probabilities"], case.labels), mean, atol=1e-5)
        assert row["prediction"] == case.labels[int(mean.argmax())]
        answers = [case.labels[int(values.argmax())] for values in logits]
        assert row["votes"] == {label: answers.count(label) for label in dict.fromkeys(answers)}
        assert row["agreement"] == answers.count(row["prediction"]) / 2
    assert {row["agreement"] for row in rows} == {0.5, 1.0}, "the seeds agree on some examples and not on others"


def test_the_ensemble_of_multi_label_classifiers_agrees_on_all_labels_or_not(trained):
    case = trained("multi_label")
    own = [[np.array(row["logits"]) for row in case.stored(run)] for run in case.runs]
    for row, *logits in zip(case.predicted(*case.runs), *own, strict=True):
        mean = np.mean([1 / (1 + np.exp(-values)) for values in logits], axis=0)
        np.testing.assert_allclose(named(row["probabilities"], case.labels), mean, atol=1e-5)
        on = [values > 0 for values in logits]
        assert row["prediction"] == [label for label, p in zip(case.labels, mean, strict=True) if p > 0.5]
        assert row["agreement"] == np.mean([np.array_equal(of, mean > 0.5) for of in on])
        counts = {label: sum(of[i] for of in on) for i, label in enumerate(case.labels)}
        assert row["votes"] == {label: n for label, n in counts.items() if n}


def test_the_ensemble_of_regressors_answers_with_the_mean_and_tells_the_spread(trained):
    case = trained("regression")
    own = [[row["predicted"] for row in case.stored(run)] for run in case.runs]
    for row, *values in zip(case.predicted(*case.runs), *own, strict=True):
        expected = {"prediction": np.mean(values), "sd": np.std(values, ddof=1), "min": min(values), "max": max(values)}
        assert {key: row[key] for key in expected} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["tags", "crf"])
def test_the_ensemble_of_taggers_answers_word_by_word(trained, name):
    case = trained(name)
    alone = [case.predicted(run) for run in case.runs]
    rows = case.predicted(*case.runs)
    for row, *own in zip(rows, *alone, strict=True):
        found = np.array([named(word, case.labels) for word in row["probabilities"]])
        mean = np.mean([[named(word, case.labels) for word in of["probabilities"]] for of in own], axis=0)
        np.testing.assert_allclose(found, mean, atol=2e-6)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
        assert row["prediction"] == [case.labels[i] for i in found.argmax(axis=1)]
        for i, tag in enumerate(row["prediction"]):
            answers = [of["prediction"][i] for of in own]
            assert row["agreement"][i] == answers.count(tag) / 2
            assert row["votes"][i] == {answer: answers.count(answer) for answer in answers}
    if name == "tags":
        assert {share for row in rows for share in row["agreement"]} == {0.5, 1.0}


@pytest.mark.parametrize("name", ["squad2", "squad1"])
def test_the_ensemble_of_readers_answers_with_the_likeliest_span(trained, name):
    case = trained(name)
    stored = [case.stored(run) for run in case.runs]
    validation = [read_predictions(run.run_dir / run.record.predictions["best"]["validation"]) for run in case.runs]
    head = case.runs[0].record.spec.head
    metrics = METRICS["question_answering"]
    tuned = metrics.tune(metrics.combined(validation, case.labels, head), case.labels)
    alone = [case.predicted(run) for run in case.runs]
    rows = case.predicted(*case.runs)
    for i, row in enumerate(rows):
        means: dict[tuple[int, int], float] = {}
        odds, nulls = [], []
        for of_run in stored:
            scores, null = [item["score"] for item in of_run[i]["candidates"]], of_run[i]["null_score"]
            shares = softmax(scores + [null] * (null is not None))
            for item, share in zip(of_run[i]["candidates"], shares, strict=False):
                means[item["start"], item["end"]] = means.get((item["start"], item["end"]), 0) + share / 2
            if null is not None:
                odds.append(null - max(scores))
                nulls.append(shares[-1])
        best = max(means, key=means.get)  # type: ignore[arg-type]
        if odds and np.mean(odds) > tuned["null_threshold"]:
            assert row["prediction"] == ""
        else:
            assert (row["start"], row["end"]) == best
        if nulls:
            assert row["no_answer"] == pytest.approx(np.mean(nulls), abs=1e-5)
        assert row["candidates"][0]["probability"] == pytest.approx(means[best], abs=1e-5)
        answers = [of[i]["prediction"] for of in alone]
        assert row["agreement"] == answers.count(row["prediction"]) / 2
        assert sum(row["votes"].values()) == 2


# Masked language models

MASKED = ["the film was [MASK]", "[MASK] and [MASK] was good food"]


def test_a_masked_language_model_predicts_what_transformers_does(trained, tmp_path):
    case = trained("masked_lm")
    (tmp_path / "texts.txt").write_text("\n".join(MASKED) + "\n")
    inputs = read_inputs(tmp_path / "texts.txt", case.study.data, "masked_lm")
    expected = []
    for run in case.runs:
        tokenizer = AutoTokenizer.from_pretrained(run.model_dir)
        model = AutoModelForMaskedLM.from_pretrained(run.model_dir).eval()
        rows = []
        for text in MASKED:
            batch = tokenizer(text, return_tensors="pt")
            hidden = batch["input_ids"][0] == tokenizer.mask_token_id
            rows.append(model(**batch).logits[0, hidden].softmax(-1).detach().numpy())
        expected.append(rows)
    for runs, of_runs in (([case.runs[0]], expected[:1]), (case.runs, expected)):
        for row, *shares in zip(case.predicted(*runs, inputs=inputs), *of_runs, strict=True):
            mean = np.mean(shares, axis=0)
            assert row["prediction"] == tokenizer.convert_ids_to_tokens(mean.argmax(axis=1).tolist())
            for i, probabilities in enumerate(row["probabilities"]):
                assert len(probabilities) == 5
                assert list(probabilities.values()) == pytest.approx(np.sort(mean[i])[::-1][:5], abs=1e-5)
                ids = tokenizer.convert_tokens_to_ids(list(probabilities))
                assert list(probabilities.values()) == pytest.approx(mean[i][ids], abs=1e-5)
            assert ("agreement" in row) == (len(runs) > 1)
    assert [len(row["prediction"]) for row in case.predicted(*case.runs, inputs=inputs)] == [1, 2]


def test_a_text_without_a_mask_is_refused_with_its_line(trained, tmp_path):
    case = trained("masked_lm")
    (tmp_path / "texts.txt").write_text("the film was [MASK]\n\nthe food was good\n")
    inputs = read_inputs(tmp_path / "texts.txt", case.study.data, "masked_lm")
    with pytest.raises(UserError, match=r"texts.txt:3: there is nothing to predict"):
        case.predicted(case.runs[0], inputs=inputs)


# Order, names, limits


def test_rows_come_in_the_order_of_the_file_with_ids_and_lines(trained, tmp_path):
    case = trained("classification")
    lines = [{"text": text, "id": i} for i, text in enumerate(["good", "a very long and lovely film and a bad end", "bad food"])]
    (tmp_path / "new.jsonl").write_text("\n\n".join(json.dumps(line) for line in lines))
    rows = case.predicted(case.runs[0], inputs=read_inputs(tmp_path / "new.jsonl", case.study.data, case.kind))
    assert [(row["id"], row["line"]) for row in rows] == [(0, 1), (1, 3), (2, 5)]
    for line, row in zip(lines, rows, strict=True):
        (tmp_path / "one.jsonl").write_text(json.dumps({"text": line["text"]}))
        (alone,) = case.predicted(case.runs[0], inputs=read_inputs(tmp_path / "one.jsonl", case.study.data, case.kind))
        assert "id" not in alone
        assert alone["probabilities"] == pytest.approx(row["probabilities"], abs=1e-5)


def test_inputs_that_were_cut_are_counted_and_windows_lose_nothing(trained, tmp_path):
    (tmp_path / "new.txt").write_text("good\n" + "never " * 100 + "\n")
    for name, n_cut in {"classification": 1, "windows": 0}.items():
        case = trained(name)
        inputs = read_inputs(tmp_path / "new.txt", case.study.data, case.kind)
        assert predict(case.runs[:1], inputs, case.study.data, threads=1).n_truncated == n_cut


def test_a_question_that_is_too_long_is_refused_with_file_and_line(trained, tmp_path):
    case = trained("squad2")
    path = tmp_path / "new.jsonl"
    rows = [{"question": "the film was", "context": "the film was good"}, {"question": "was " * 30, "context": "good"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"new.jsonl:2: the question is too long"):
        case.predicted(case.runs[0], inputs=read_inputs(path, case.study.data, case.kind))


def test_without_its_validation_predictions_a_threshold_cannot_be_known(trained, monkeypatch):
    case = trained("squad2")
    run = case.runs[0]
    moved = run.record.model_copy(update={"predictions": {"best": run.record.predictions["best"] | {"validation": "gone"}}})
    with pytest.raises(UserError, match="null threshold is unknown"):
        case.predicted(KeptRun(moved, run.run_dir))

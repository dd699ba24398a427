"""Answers of several seeds from outputs made by hand: ties, seeds that disagree, questions without candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.metrics import METRICS
from bertft_core.metrics.prediction_output import N_SHOWN, SeedOutputs
from bertft_core.records.list_columns import matrix_column, ragged_column

CANDIDATE = pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float32())])


def seed(threshold: float | None = None, **columns: Any) -> SeedOutputs:
    return SeedOutputs(pa.table(columns), {} if threshold is None else {"null_threshold": threshold})


def logits(*shares: list[float]) -> pa.Array:
    """Logits with these probabilities."""
    return matrix_column(np.log(np.array(shares, np.float32)))


def test_a_sure_seed_outvotes_two_that_are_not():
    seeds = [seed(logits=logits(share)) for share in ([0.98, 0.02], [0.4, 0.6], [0.45, 0.55])]
    (answer,) = METRICS["classification"].output(seeds, ("a", "b"))
    assert answer == {
        "prediction": "a",
        "probabilities": {"a": 0.61, "b": 0.39},
        "agreement": pytest.approx(1 / 3, abs=1e-6),
        "votes": {"b": 2, "a": 1},
    }


def test_equal_probabilities_go_to_the_first_label_and_one_seed_has_no_votes():
    (answer,) = METRICS["classification"].output([seed(logits=logits([0.5, 0.5]))], ("a", "b"))
    assert answer == {"prediction": "a", "probabilities": {"a": 0.5, "b": 0.5}}


def test_no_label_may_be_on():
    off = np.full((1, 2), -40.0, np.float32)
    on = np.array([[30.0, -40.0]], np.float32)
    (answer,) = METRICS["multi_label"].output([seed(logits=matrix_column(values)) for values in (off, off, on)], ("a", "b"))
    assert answer["prediction"] == []
    assert answer["probabilities"] == {"a": 0.333333, "b": 0.0}
    assert answer["agreement"] == 0.666667
    assert answer["votes"] == {"a": 1}


def test_huge_logits_overflow_nowhere():
    values = np.array([[3e4, -3e4]], np.float32)
    with np.errstate(all="raise"):
        (several,) = METRICS["multi_label"].output([seed(logits=matrix_column(values))], ("a", "b"))
    assert several["probabilities"] == {"a": 1.0, "b": 0.0}
    (one,) = METRICS["classification"].output([seed(logits=matrix_column(values))], ("a", "b"))
    assert one["probabilities"] == {"a": 1.0, "b": 0.0}


def test_words_are_voted_on_one_by_one_and_their_sentences_stay_apart():
    labels = ("O", "B-X", "I-X")
    sure, unsure = [0.1, 0.8, 0.1], [0.5, 0.25, 0.25]
    of_seeds = [([sure, unsure], [unsure]), ([unsure, unsure], [sure])]
    seeds = []
    for sentences in of_seeds:
        of_words = [np.log(np.array(sentence, np.float32)) for sentence in sentences]
        predicted = ragged_column([values.argmax(axis=1).astype(np.int32) for values in of_words])
        seeds.append(seed(logits=ragged_column(of_words), predicted=predicted))
    first, second = METRICS["token_classification"].output(seeds, labels)
    assert first["prediction"] == ["B-X", "O"]
    assert first["entities"] == [{"type": "X", "start": 0, "end": 1}]
    assert first["agreement"] == [0.5, 1.0]
    assert first["votes"] == [{"B-X": 1, "O": 1}, {"O": 2}]
    assert first["probabilities"][0] == {"O": 0.3, "B-X": 0.525, "I-X": 0.175}
    assert second["prediction"] == ["B-X"]
    assert len(second["probabilities"]) == 1


def test_one_seeds_path_stays_where_the_marginals_say_otherwise():
    labels = ("NOUN", "VERB")
    marginals = ragged_column([np.array([[0.4, 0.6]], np.float32)])
    table = {"predicted": ragged_column([np.array([0], np.int32)]), "logits": marginals, "marginals": marginals}
    (alone,) = METRICS["token_classification"].output([seed(**table)], labels)
    assert alone["prediction"] == ["NOUN"]
    assert alone["probabilities"] == [{"NOUN": 0.4, "VERB": 0.6}]
    assert "entities" not in alone, "parts of speech are no entities"
    (together,) = METRICS["token_classification"].output([seed(**table), seed(**table)], labels)
    assert (together["prediction"], together["agreement"]) == (["VERB"], [0.0])


def question(candidates: list[tuple[str, int, float]], null: float | None, threshold: float = 0.0) -> SeedOutputs:
    rows = [[{"text": text, "start": start, "end": start + len(text), "score": score} for text, start, score in candidates]]
    return seed(
        threshold,
        answers=pa.array([[]], pa.list_(pa.string())),
        null_score=pa.array([null], pa.float32()),
        candidates=pa.array(rows, pa.list_(CANDIDATE)),
    )


def test_a_span_that_a_seed_does_not_have_counts_nothing_there():
    half, third = np.log([0.5, 0.5]), np.log([0.6, 0.4])
    seeds = [
        question([("Ann", 3, half[0]), ("May", 9, half[1])], None),
        question([("Bob", 20, third[0]), ("May", 9, third[1])], None),
    ]
    (answer,) = METRICS["question_answering"].output(seeds, ("answerable",))
    assert (answer["prediction"], answer["start"], answer["end"]) == ("May", 9, 12)
    assert [(item["text"], item["probability"]) for item in answer["candidates"]] == [("May", 0.45), ("Bob", 0.3), ("Ann", 0.25)]
    assert (answer["agreement"], answer["votes"]) == (0.0, {"Ann": 1, "Bob": 1})
    assert "no_answer" not in answer


def test_without_any_candidate_there_is_no_answer():
    for null in (None, 1.0):
        (answer,) = METRICS["question_answering"].output([question([], null), question([], null)], ())
        assert (answer["prediction"], answer["start"], answer["end"], answer["candidates"]) == ("", None, None, [])
        assert answer.get("no_answer") == (None if null is None else 1.0)
        assert answer["votes"] == {"": 2}


def test_a_seed_without_candidates_does_not_decide_for_the_others():
    seeds = [question([], 1.0), question([("Ann", 3, 5.0)], 1.0), question([("Ann", 3, 5.0)], 1.0)]
    (answer,) = METRICS["question_answering"].output(seeds, ())
    assert answer["prediction"] == "Ann"
    assert answer["votes"] == {"Ann": 2, "": 1}


def test_the_mean_null_odds_are_held_against_the_common_threshold_and_votes_go_by_each_seeds_own():
    """Null score less best score is 2 and 4, 3 on average: above the first seed's own threshold of 1, not above the other's 5."""
    seeds = [question([("Ann", 3, 1.0)], 3.0, 1.0), question([("Ann", 3, 1.0)], 5.0, 5.0)]
    for threshold, expected in ((3.0, "Ann"), (2.9, "")):
        (answer,) = METRICS["question_answering"].output(seeds, (), null_threshold=threshold)
        assert answer["prediction"] == expected
        assert answer["votes"] == {"": 1, "Ann": 1}


def test_only_the_best_candidates_are_reported():
    many = [(f"t{i}", i, float(-i)) for i in range(12)]
    (answer,) = METRICS["question_answering"].output([question(many, None)], ())
    assert [item["text"] for item in answer["candidates"]] == [f"t{i}" for i in range(N_SHOWN)]


def test_masks_are_voted_on_one_by_one():
    pieces = tuple("abcdefgh")
    one, two = np.full((2, 8), 0.01, np.float32), np.full((2, 8), 0.01, np.float32)
    one[0, 2], two[0, 2], one[1, 3], two[1, 4] = 0.9, 0.8, 0.9, 0.5
    (answer,) = METRICS["masked_lm"].output([seed(probabilities=ragged_column([values])) for values in (one, two)], pieces)
    assert answer["prediction"] == ["c", "d"]
    assert answer["agreement"] == [1.0, 0.5]
    assert answer["votes"] == [{"c": 2}, {"d": 1, "e": 1}]
    assert answer["probabilities"][0]["c"] == 0.85
    assert [len(shown) for shown in answer["probabilities"]] == [N_SHOWN, N_SHOWN]

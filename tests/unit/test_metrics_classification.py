"""Metrics of a classifier against scikit-learn, hand values and the published conventions."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from bertft_core.config.head_settings import ClassificationHead
from bertft_core.metrics import METRICS, classification
from bertft_core.metrics.classification import (
    confusion_counts,
    expected_calibration_error,
    majority_scores,
    scores,
)

NAMES = ("a", "b", "c")


def _example(seed: int, n: int = 200, n_classes: int = 3):
    rng = np.random.default_rng(seed)
    return (2 * rng.normal(size=(n, n_classes))).astype(np.float32), rng.integers(0, n_classes, n)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [7, 200])
def test_every_metric_equals_scikit_learn(seed, n):
    logits, labels = _example(seed, n)
    got = scores(logits, labels, NAMES)
    answer = logits.argmax(1)
    wide = logits.astype(float)
    probabilities = np.exp(wide - wide.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    every = {"labels": [0, 1, 2], "zero_division": 0}
    assert got["accuracy"] == pytest.approx(oracle.accuracy_score(labels, answer))
    assert got["f1_macro"] == pytest.approx(oracle.f1_score(labels, answer, average="macro", **every))
    assert got["f1_weighted"] == pytest.approx(oracle.f1_score(labels, answer, average="weighted", **every))
    assert got["mcc"] == pytest.approx(oracle.matthews_corrcoef(labels, answer))
    assert got["log_loss"] == pytest.approx(oracle.log_loss(labels, probabilities, labels=[0, 1, 2]))
    for name, function in {"precision": oracle.precision_score, "recall": oracle.recall_score, "f1": oracle.f1_score}.items():
        expected = function(labels, answer, average=None, **every)
        assert [got[f"{name}/{label}"] for label in NAMES] == pytest.approx(expected)
    assert (confusion_counts(logits, labels, 3) == oracle.confusion_matrix(labels, answer, labels=[0, 1, 2])).all()


def test_a_class_without_examples_and_answers_scores_zero_and_counts_in_macro_f1():
    logits, labels = np.array([[3.0, 0, 0], [0, 3.0, 0], [3.0, 0, 0]]), np.array([0, 1, 1])
    got = scores(logits, labels, NAMES)
    assert (got["precision/c"], got["recall/c"], got["f1/c"]) == (0.0, 0.0, 0.0)
    assert got["f1_macro"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_a_constant_answer_has_an_mcc_of_zero():
    assert scores(np.tile([1.0, 0.0], (6, 1)), np.array([0, 1, 0, 1, 1, 1]), ("n", "p"))["mcc"] == 0.0


def test_log_loss_of_known_probabilities():
    p = np.array([0.1, 0.4, 0.35, 0.8])
    got = scores(np.log(np.column_stack([1 - p, p])), np.array([0, 0, 1, 1]), ("n", "p"))
    assert got["log_loss"] == pytest.approx(0.4722879538)


def test_log_loss_stays_finite_for_huge_logits():
    got = scores(np.array([[1e4, -1e4], [1e4, -1e4]]), np.array([0, 1]), ("n", "p"))
    assert got["log_loss"] == pytest.approx(1e4)


CONFIDENCE = np.array([0.55, 0.62, 0.68, 0.71, 0.83, 0.88, 0.91, 0.97, 0.99, 1.0])
CORRECT = np.array([0, 1, 0, 1, 1, 0, 1, 1, 1, 1], bool)


@pytest.mark.parametrize(("n_bins", "expected"), [(10, 0.198), (15, 0.232)])
def test_ece_equals_the_reference_value(n_bins, expected):
    assert expected_calibration_error(CONFIDENCE, CORRECT, n_bins) == pytest.approx(expected)


def test_ece_bins_are_closed_on_the_right():
    confidence = np.array([0.95, 0.9, 0.85, 0.65, 0.62, 0.55, 1.0, 0.3])
    correct = np.array([1, 1, 0, 1, 0, 1, 1, 0], bool)
    assert expected_calibration_error(confidence, correct, 10) == pytest.approx(0.2275)


def test_ece_in_compute_uses_the_largest_probability_and_fifteen_bins():
    logits = np.log(np.column_stack([CONFIDENCE.clip(max=1 - 1e-12), 1 - CONFIDENCE.clip(max=1 - 1e-12)]))
    got = scores(logits, np.where(CORRECT, 0, 1), ("n", "p"))
    assert got["ece"] == pytest.approx(0.232, abs=1e-9)


def test_the_majority_answers_the_most_frequent_training_label_and_the_lowest_among_equals():
    got = majority_scores(np.array([0, 1, 1, 0, 2]), np.array([0, 0, 1, 2]), NAMES)
    assert got["accuracy"] == 0.5
    assert got["recall/a"] == 1.0
    assert got["log_loss"] == pytest.approx(-np.log([0.4, 0.4, 0.4, 0.2]).mean())
    assert got["ece"] == pytest.approx(0.1)


def test_the_majority_has_no_log_loss_where_it_would_be_infinite():
    got = majority_scores(np.array([0, 0, 1]), np.array([0, 2]), NAMES)
    assert "log_loss" not in got
    assert got["accuracy"] == 0.5
    assert all(np.isfinite(list(got.values())))


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.zeros((2, 3)), np.zeros(2, int)),
        (np.zeros((2, 2)), np.array([0, 2])),
        (np.zeros((2, 2)), np.array([0, -1])),
        (np.array([[0.0, np.nan]]), np.array([0])),
        (np.array([[0.0, np.inf]]), np.array([0])),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(logits, labels):
    with pytest.raises(ValueError):
        scores(logits, labels, ("n", "p"))


def test_every_metric_a_study_may_select_by_is_computed():
    logits, labels = _example(0)
    assert set(ClassificationHead.metrics) - {"f1_binary", "accuracy_and_f1"} <= set(scores(logits, labels, NAMES))
    assert METRICS[ClassificationHead().kind].compute is classification.compute

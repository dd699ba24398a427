"""Calibration against the numbers of the reference, and the temperature against a grid."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.evaluation.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    brier,
    calibration_scores,
    fit_temperature,
    negative_log_likelihood,
)
from bertft_core.metrics.classification import expected_calibration_error

CONFIDENCE = np.array([0.55, 0.62, 0.68, 0.71, 0.83, 0.88, 0.91, 0.97, 0.99, 1.0])
CORRECT = np.array([0, 1, 0, 1, 1, 0, 1, 1, 1, 1], bool)
P, LABELS = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
OF_TWO = np.stack([1 - P, P], axis=1)


def test_ece_of_the_reference_with_ten_and_with_fifteen_bins():
    assert expected_calibration_error(CONFIDENCE, CORRECT, 10) == pytest.approx(0.198, abs=5e-4)
    assert expected_calibration_error(CONFIDENCE, CORRECT, 15) == pytest.approx(0.232, abs=5e-4)


def test_bins_are_closed_on_the_right():
    confidence = np.array([0.95, 0.9, 0.85, 0.65, 0.62, 0.55, 1.0, 0.3])
    correct = np.array([1, 1, 0, 1, 0, 1, 1, 0], bool)
    assert expected_calibration_error(confidence, correct, 10) == pytest.approx(0.2275, abs=1e-9)


def test_brier_and_nll_of_the_reference():
    assert brier(OF_TWO, LABELS) == pytest.approx(0.158125, abs=1e-12)
    assert negative_log_likelihood(np.log(OF_TWO), LABELS) == pytest.approx(0.4722879538, abs=1e-9)


def test_brier_of_three_classes_is_a_sum_over_all_of_them():
    assert brier(np.array([[0.5, 0.3, 0.2]]), np.array([1])) == pytest.approx(0.25 + 0.49 + 0.04)


def test_the_confidence_of_right_and_of_wrong_answers():
    found = calibration_scores(np.log(OF_TWO), LABELS)
    assert found["confidence_right"] == pytest.approx(np.mean([0.9, 0.6, 0.8]))
    assert found["confidence_wrong"] == pytest.approx(0.65)
    assert "confidence_wrong" not in calibration_scores(np.log(OF_TWO[:2]), LABELS[:2]), "no wrong answer, no number"


def drawn(scale: float, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the softmax of logits, which are then multiplied: `scale` is the temperature to find."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 4)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits * scale, labels


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_that_logits_were_drawn_with_is_found_and_mends_them(scale):
    logits, labels = drawn(scale)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(scale, rel=0.06)
    grid = np.arange(1, 1001) / 100
    best = grid[np.argmin([negative_log_likelihood(logits / t, labels) for t in grid])]
    assert found == pytest.approx(best, abs=0.0051), "the grid of Desai and Durrett finds the same"
    if scale == 3.0:
        assert calibration_scores(logits / found, labels)["ece"] < calibration_scores(logits, labels)["ece"] / 4


def test_without_a_mistake_there_is_no_temperature():
    logits, _ = drawn(1.0)
    assert fit_temperature(logits, logits.argmax(axis=1)) is None


def test_answers_that_say_nothing_get_the_highest_temperature_and_timid_ones_the_lowest():
    logits, labels = drawn(1.0)
    assert fit_temperature(logits, (logits.argmax(axis=1) + 1) % 4) == HIGHEST_TEMPERATURE
    assert fit_temperature(logits / 1000, labels) == LOWEST_TEMPERATURE

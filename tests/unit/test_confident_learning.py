"""Confident learning against numbers of `cleanlab` 2.9.0, and by definition.

`get_confident_thresholds(labels, p)`, `compute_confident_joint(labels, p, calibrate=False)`, the same with `calibrate=True`, and
`find_label_issues(labels, p, filter_by="prune_by_noise_rate", return_indices_ranked_by="normalized_margin")` gave them.
"""

import numpy as np
import pytest

from bertft_core.statistics.confident_learning import (
    class_thresholds,
    confident_joint,
    estimated_joint,
    normalised_margin,
    wrong_labels,
)


def made_up(seed, n, n_classes, flipped, sharpness):
    """Labels of which a share is flipped, the probabilities of a model that does not know it, and which are flipped."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, n_classes, size=n)
    labels = np.where(rng.random(n) < flipped, (true + rng.integers(1, n_classes, size=n)) % n_classes, true)
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), true] += sharpness
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    return labels, p.round(6) / p.round(6).sum(axis=1, keepdims=True), labels != true


CLEANLAB = {
    (0, 200, 3, 0.1, 2.0): (
        [0.619731, 0.644229, 0.68155],
        [[36, 3, 3], [2, 40, 3], [2, 1, 46]],
        [[52, 4, 5], [3, 58, 4], [3, 2, 69]],
        [123, 13, 59, 11, 19, 107, 189, 148, 93, 157, 46, 50, 114, 191, 52, 23, 17, 120, 28],
    ),
    (1, 60, 2, 0.1, 1.0): (
        [0.752029, 0.644701],
        [[19, 3], [4, 19]],
        [[25, 4], [5, 26]],
        [56, 59, 45, 52, 31, 30, 47, 44, 6],
    ),
    (3, 30, 6, 0.3, 1.0): (
        [0.281388, 0.261434, 0.267266, 0.383968, 0.426572, 0.172774],
        [[2, 0, 1, 0, 0, 1], [0, 1, 1, 1, 0, 2], [1, 0, 2, 0, 0, 2], [0, 0, 0, 3, 0, 2], [0, 0, 3, 0, 3, 0], [0, 1, 1, 0, 1, 1]],
        [[2, 0, 1, 0, 0, 1], [0, 1, 1, 1, 0, 2], [1, 0, 2, 0, 0, 2], [0, 0, 0, 4, 0, 2], [0, 0, 3, 0, 3, 0], [0, 1, 1, 0, 1, 1]],
        [13, 5, 10, 24, 19, 1, 8, 4, 3, 16, 25, 11, 28, 6, 9, 14],
    ),
}


@pytest.mark.parametrize(("drawn", "expected"), CLEANLAB.items())
def test_thresholds_joint_and_ranked_suspects_are_those_of_cleanlab(drawn, expected):
    labels, probabilities, _ = made_up(*drawn)
    thresholds, joint, estimated, ranked = expected
    wrong = wrong_labels(labels, probabilities)
    by_margin = np.argsort(normalised_margin(labels, probabilities), kind="stable")
    assert class_thresholds(labels, probabilities) == pytest.approx(thresholds, abs=1e-6)
    assert confident_joint(labels, probabilities).tolist() == joint
    assert estimated_joint(labels, probabilities).tolist() == estimated
    assert [i for i in by_margin.tolist() if wrong[i]] == ranked


def test_flipped_labels_of_a_good_model_are_found_and_few_others():
    labels, probabilities, flipped = made_up(5, 2000, 3, 0.05, 6.0)
    wrong = wrong_labels(labels, probabilities)
    assert 80 <= flipped.sum() <= 120
    assert flipped[wrong].mean() > 0.95
    assert wrong[flipped].mean() > 0.95


def test_a_label_that_is_the_likeliest_class_is_never_suspected():
    for seed in range(20):
        labels, probabilities, _ = made_up(seed, 80, 4, 0.3, 0.5)
        wrong = wrong_labels(labels, probabilities)
        assert wrong.any()
        assert (probabilities.argmax(axis=1)[wrong] != labels[wrong]).all()
        assert (normalised_margin(labels, probabilities)[wrong] < 0).all()


def test_each_row_of_the_estimated_joint_is_as_long_as_its_class():
    for seed in range(20):
        labels, probabilities, _ = made_up(seed, 70, 5, 0.4, 1.0)
        joint = estimated_joint(labels, probabilities)
        assert joint.sum(axis=1).tolist() == np.bincount(labels, minlength=5).tolist()
        assert (joint >= 0).all()


def test_no_class_loses_its_last_example_and_an_absent_one_has_no_threshold():
    labels = np.array([0, 0, 0, 0, 1, 2, 2])
    probabilities = np.full((7, 4), 0.02)
    probabilities[np.arange(7), [0, 0, 0, 0, 0, 0, 0]] = 0.94
    wrong = wrong_labels(labels, probabilities)
    assert class_thresholds(labels, probabilities)[3] > 1
    assert not wrong[4]
    assert wrong[5:].sum() <= 1


def test_the_margin_is_against_the_likeliest_other_class():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    assert normalised_margin(np.array([0, 1]), probabilities) == pytest.approx([0.5, -0.3])

"""Agreement of seeds against reference numbers and by definition."""

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from bertft_core.statistics.fleiss_agreement import fleiss_kappa, flips, jensen_shannon, pair_disagreement

ANSWERS = np.array([[0, 0, 1], [1, 1, 1], [0, 1, 1], [0, 0, 0]])


def test_four_examples_of_three_seeds_give_the_reference_numbers():
    assert fleiss_kappa(ANSWERS) == pytest.approx(1 / 3)
    assert pair_disagreement(ANSWERS).mean() == pytest.approx(1 / 3)
    assert pair_disagreement(ANSWERS).tolist() == pytest.approx([2 / 3, 0, 2 / 3, 0])


def test_disagreement_is_the_mean_over_pairs():
    answers = np.random.default_rng(0).integers(0, 5, size=(30, 7))
    pairs = [answers[:, i] != answers[:, j] for i, j in combinations(range(7), 2)]
    assert pair_disagreement(answers) == pytest.approx(np.mean(pairs, axis=0))


def test_kappa_is_one_for_the_same_answers_near_nothing_for_chance_and_absent_for_one_category():
    assert fleiss_kappa(np.tile([[0], [1], [2]], 4)) == pytest.approx(1.0)
    assert fleiss_kappa(np.random.default_rng(1).integers(0, 3, size=(5000, 6))) == pytest.approx(0, abs=0.02)
    assert fleiss_kappa(np.zeros((5, 3), int)) is None


def test_for_two_seeds_the_divergence_is_the_square_of_scipys_distance():
    a, b = np.random.default_rng(2).dirichlet([1, 1, 1], size=(2, 10))
    assert jensen_shannon([a, b]) == pytest.approx(jensenshannon(a, b, axis=1) ** 2)


def test_divergence_lies_between_nothing_and_the_log_of_the_seeds():
    same = np.array([[0.2, 0.8]])
    assert jensen_shannon([same] * 5) == pytest.approx([0.0])
    assert jensen_shannon([row[None, :] for row in np.eye(3)]) == pytest.approx([np.log(3)])
    with pytest.raises(ValueError, match="no seeds"):
        jensen_shannon([])


def test_flips_count_the_minority():
    assert flips(np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1]], bool)).tolist() == [1, 0, 1, 0]


def test_one_seed_cannot_disagree():
    with pytest.raises(ValueError, match="two seeds"):
        pair_disagreement(np.zeros((4, 1), int))

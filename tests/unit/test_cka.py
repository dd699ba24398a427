"""Linear CKA against worked numbers, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.training.probing.similarity import hsic, linear_cka, unbiased_linear_cka

X = np.array([[1, 0], [0, 1], [1, 1], [2, 3], [3, 1], [0, 2]], float)
Y = np.array([[2, 1], [1, 0], [1, 2], [3, 4], [5, 1], [0, 3]], float)


def centred_kernel(states):
    states = states - states.mean(axis=0)
    return states @ states.T


def test_the_worked_example():
    assert linear_cka(X, Y) == pytest.approx(0.8374528967, abs=1e-9)
    assert unbiased_linear_cka(X, Y) == pytest.approx(0.7229576356, abs=1e-9), "2.8555… / √(1.9 · 8.2111…)"
    k, l = centred_kernel(X), centred_kernel(Y)  # noqa: E741
    assert (hsic(k, l), hsic(k, k), hsic(l, l)) == pytest.approx((2.8555556, 1.9, 8.2111111), abs=1e-6)


def test_centring_changes_nothing_of_the_unbiased_estimate():
    assert hsic(X @ X.T, Y @ Y.T) == pytest.approx(hsic(centred_kernel(X), centred_kernel(Y)), abs=1e-12)


@pytest.mark.parametrize("cka", [linear_cka, unbiased_linear_cka])
def test_rotation_and_scale_do_not_matter_but_stretching_one_direction_does(cka):
    states = np.random.default_rng(0).normal(size=(40, 5))
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))
    assert cka(states, 3.7 * states @ rotation + 2) == pytest.approx(1.0, abs=1e-12)
    assert cka(states, states * [1, 1, 1, 1, 10]) < 0.9


def test_the_same_states_are_exactly_alike():
    states = np.random.default_rng(0).normal(size=(30, 7))
    assert linear_cka(states, states.copy()) == unbiased_linear_cka(states, states.copy()) == 1.0


def test_with_fewer_texts_than_dimensions_only_the_unbiased_value_sees_that_noise_is_noise():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 30, 300))
    assert linear_cka(one, other) > 0.7
    assert abs(unbiased_linear_cka(one, other)) < 0.1


def test_states_that_do_not_vary_cannot_be_compared():
    assert linear_cka(np.ones((6, 2)), Y) is None
    assert unbiased_linear_cka(np.ones((6, 2)), Y) is None
    assert unbiased_linear_cka(X[:3], Y[:3]) is None

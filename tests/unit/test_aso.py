"""Almost stochastic order: the reference's own example, and what the reference does wrong."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.statistics.aso import almost_stochastic_order


def _example() -> tuple[np.ndarray, np.ndarray]:
    """The example of deep-significance, drawn as there."""
    rng = np.random.RandomState(1234)
    return rng.normal(0.9, 0.8, 5), rng.normal(0, 1, 5)


def test_the_bound_is_that_of_the_reference_up_to_its_own_resampling() -> None:
    a, b = _example()
    found = almost_stochastic_order(a, b, bootstrap_seed=0, n_resamples=20_000)
    assert found.violation_ratio == 0.0
    assert found.eps_min == pytest.approx(0.22488112, abs=0.012)  # an sd of 1,000 resamples there: 2 % off
    assert (found.confidence, found.is_better) == (0.95, False)


def test_the_ratios_of_both_directions_sum_to_one_where_the_reference_skips_a_step() -> None:
    a, b = _example()
    assert almost_stochastic_order(b, a, bootstrap_seed=0, n_resamples=10).violation_ratio == 1.0  # there: 0.98423
    rng = np.random.default_rng(0)
    for n, m in ((4, 4), (5, 8), (30, 7)):
        x, y = rng.normal(size=n), rng.normal(size=m)
        there, back = (almost_stochastic_order(*pair, bootstrap_seed=0, n_resamples=10) for pair in ((x, y), (y, x)))
        assert there.violation_ratio + back.violation_ratio == pytest.approx(1.0)


def test_the_ratio_is_the_integral_over_quantile_functions() -> None:
    rng = np.random.default_rng(1)
    a, b = np.sort(rng.normal(0.3, 1, 6)), np.sort(rng.normal(0, 1, 4))
    t = (np.arange(120_000) + 0.5) / 120_000
    gaps = b[np.ceil(t * 4).astype(int) - 1] - a[np.ceil(t * 6).astype(int) - 1]
    expected = (np.maximum(gaps, 0) ** 2).sum() / (gaps**2).sum()
    assert almost_stochastic_order(a, b, bootstrap_seed=0, n_resamples=10).violation_ratio == pytest.approx(expected)
    same = almost_stochastic_order([1.0, 2.0], [2.0, 1.0], bootstrap_seed=0)
    assert (same.violation_ratio, same.is_better) == (0.5, False)


def test_two_models_are_one_comparison_and_a_clear_order_is_found() -> None:
    """`multi_aso` of the reference answers 1.0 or NaN for every two models."""
    rng = np.random.default_rng(2)
    worse, better = rng.normal(0, 1, 20), rng.normal(3, 1, 20)
    up, down = (almost_stochastic_order(*pair, bootstrap_seed=3) for pair in ((better, worse), (worse, better)))
    assert (up.is_better, up.confidence) == (True, 0.95)
    assert (down.is_better, down.eps_min) == (False, 1.0)


@pytest.mark.parametrize(("n", "is_better"), [(7, False), (8, True)])
def test_a_few_runs_are_not_enough_to_claim_an_order(n: int, is_better: bool) -> None:
    found = almost_stochastic_order(np.arange(n) + 100.0, np.arange(9.0), bootstrap_seed=0)
    assert (found.eps_min, found.is_better) == (0.0, is_better)
    assert not almost_stochastic_order(np.arange(n) + 100.0, np.arange(9.0), bootstrap_seed=0, tau=0.0).is_better


@pytest.mark.parametrize(("n_pairs", "confidence"), [(1, 0.95), (3, 1 - 0.05 / 3), (10, 0.995)])
def test_the_level_is_shared_out_over_the_pairs(n_pairs: int, confidence: float) -> None:
    """The reference gives 1.0, 0.96667 and 0.955 for 1, 3 and 10 comparisons."""
    a, b = _example()
    found = almost_stochastic_order(a, b, bootstrap_seed=0, n_comparisons=n_pairs)
    assert found.confidence == pytest.approx(confidence)
    bounds = [almost_stochastic_order(a, b, bootstrap_seed=0, n_comparisons=m).eps_min for m in (1, 3, 10)]
    assert bounds == sorted(bounds)
    assert len(set(bounds)) == 3


def test_the_seed_is_heard_and_nothing_else() -> None:
    a, b = _example()
    np.random.seed(0)
    first = almost_stochastic_order(a, b, bootstrap_seed=5)
    state = np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    np.random.seed(7)
    assert first == almost_stochastic_order(a, b, bootstrap_seed=5)
    assert first != almost_stochastic_order(a, b, bootstrap_seed=6)
    np.random.seed(0)
    assert state == np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    with pytest.raises(ValueError, match="cannot be ordered"):
        almost_stochastic_order([1.0], b, bootstrap_seed=0)


def test_differences_that_are_only_rounding_do_not_order_two_arms() -> None:
    thirds, sums = [0.3] * 3, [0.1 + 0.2] * 3
    assert thirds != sums
    tied = almost_stochastic_order(thirds, thirds, bootstrap_seed=0)
    assert tied.violation_ratio == 0.5
    assert almost_stochastic_order(sums, thirds, bootstrap_seed=0) == tied
    assert almost_stochastic_order(thirds, sums, bootstrap_seed=0) == tied

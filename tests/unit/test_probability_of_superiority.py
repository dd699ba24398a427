"""P(A > B): oracles of rliable, and its two intervals."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.statistics.probability_of_superiority import superiority


def _unpaired(first: list[float], second: list[float]) -> float:
    return superiority(first, second, paired=False, bootstrap_seed=0, n_resamples=10).probability


def test_ties_count_half_as_in_the_probability_of_improvement_of_rliable() -> None:
    assert _unpaired([3, 1, 2], [1, 1, 2]) == pytest.approx(0.7222222, abs=1e-7)
    x, y = [[1, 2, 1, 2], [2, 2, 1, 1]], [[1, 2, 3], [1, 2, 3]]
    of_tasks = [(_unpaired(a, b), _unpaired(b, a)) for a, b in zip(x, y, strict=True)]  # type: ignore[arg-type]
    assert np.mean(of_tasks, axis=0) == pytest.approx((1 / 3, 2 / 3))
    assert _unpaired([1, 1], [1, 1, 1]) == 0.5


def test_pairs_are_compared_with_their_own_partner_only() -> None:
    found = superiority([1, 2, 3, 4], [0, 2, 2.5, 5], paired=True, bootstrap_seed=0)
    assert found.probability == (1 + 0.5 + 1 + 0) / 4
    assert found.low < 0.25 < 0.9 < found.high


def test_every_run_better_is_sure_only_with_enough_runs_while_percentiles_have_no_width() -> None:
    for n, paired_low, unpaired_low in ((3, 0.2924, 0.4485), (5, 0.4782, 0.6167), (6, 0.5407, 0.6694), (30, 0.8843, 0.9319)):
        better, worse = np.arange(n) + 100.0, np.arange(n)
        paired, unpaired = (superiority(better, worse, paired=p, bootstrap_seed=0, n_resamples=50) for p in (True, False))
        assert paired[3:] == unpaired[3:] == (1.0, 1.0)
        assert paired.low == pytest.approx(0.025 ** (1 / n))
        assert (paired.low, unpaired.low) == pytest.approx((paired_low, unpaired_low), abs=1e-4)
        assert (paired.high, unpaired.high) == (1.0, 1.0)


def test_turning_the_arms_round_turns_the_interval_round() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 1, 9).tolist(), rng.normal(0, 1, 7).tolist()
    there, back = (superiority(*arms, paired=False, bootstrap_seed=1) for arms in ((a, b), (b, a)))
    assert (there.probability, there.low, there.high) == pytest.approx((1 - back.probability, 1 - back.high, 1 - back.low))
    assert there.percentile_low == pytest.approx(1 - back.percentile_high, abs=0.03)


def test_the_percentile_interval_is_that_of_runs_drawn_one_by_one() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.6, 1, 8), rng.normal(0, 1, 8)
    drawn = [np.mean(a[rng.integers(0, 8, 8)][:, None] > b[rng.integers(0, 8, 8)]) for _ in range(4000)]
    found = superiority(a, b, paired=False, bootstrap_seed=0)
    assert found[3:] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)


def test_runs_without_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 3 paired runs"):
        superiority([1, 2], [1, 2, 3], paired=True, bootstrap_seed=0)
    with pytest.raises(ValueError, match="0 and 1 runs"):
        superiority([], [1], paired=False, bootstrap_seed=0)

"""Statistics that are computed block by block have the same bits as in one block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bertft_core.statistics import aso, mean_intervals, multi_bootstrap, permutations, probability_of_superiority, row_blocks
from bertft_core.statistics.resampling import Additive, resample_examples

RNG = np.random.default_rng(3)
FIRST, SECOND = RNG.normal(0.80, 0.02, 21), RNG.normal(0.79, 0.03, 21)
EXAMPLES = RNG.normal(0.5, 0.2, (2, 21, 40, 2))
CACHES = (
    mean_intervals.bootstrap_intervals,
    multi_bootstrap._seed_draws,
    permutations._sampled_signs,
    probability_of_superiority._draws,
)


def mean_ratio(sums: Any) -> Any:
    return sums[..., 0] / sums[..., 1]


def bootstrapped(*, paired: bool) -> multi_bootstrap.MultiBootstrap:
    n_second = 21 if paired else 19
    arms = [Additive(list(EXAMPLES[0]), mean_ratio), Additive(list(EXAMPLES[1, :n_second]), mean_ratio)]
    first, second = resample_examples(arms, 5, 501)
    kept = np.arange(20, 2, -1)  # as without collapsed runs
    return multi_bootstrap.multi_bootstrap(first.of_seeds(kept), second.of_seeds(kept - 2), paired=paired, bootstrap_seed=5)


STATISTICS: dict[str, Callable[[], Any]] = {
    "sign flips": lambda: permutations.sign_flip_p(FIRST - SECOND, 7),
    "labels": lambda: permutations.label_p(FIRST, SECOND, 7),
    "interval of a mean": lambda: mean_intervals.bootstrap_interval(FIRST.tolist(), 7),
    "paired superiority": lambda: probability_of_superiority.superiority(FIRST, SECOND, paired=True, bootstrap_seed=7),
    "unpaired superiority": lambda: probability_of_superiority.superiority(FIRST, SECOND, paired=False, bootstrap_seed=7),
    "almost stochastic order": lambda: aso.almost_stochastic_order(FIRST, SECOND, bootstrap_seed=7),
    "paired multi-bootstrap": lambda: bootstrapped(paired=True),
    "unpaired multi-bootstrap": lambda: bootstrapped(paired=False),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_blocks_change_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for numbers in (2**40, 2**12):
        monkeypatch.setattr(row_blocks, "NUMBERS", numbers)
        for cached in CACHES:
            cached.cache_clear()
        found.append(STATISTICS[name]())
    assert found[0] == found[1]


def test_signs_are_those_that_numpy_chooses() -> None:
    permutations._sampled_signs.cache_clear()
    chosen = np.random.default_rng(9).choice([-1.0, 1.0], size=(permutations.N_SAMPLED, 19))
    np.testing.assert_array_equal(permutations._sampled_signs(19, 9), chosen)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(1, 5), (3, 10**9), (10_000, 200), (10_001, 200), (4 * 655 + 3, 200), (50, 0)])
def test_blocks_are_all_rows_and_none_is_alone(n_rows: int, n_columns: int) -> None:
    blocks = list(row_blocks.row_blocks(n_rows, n_columns))
    assert np.concatenate([np.arange(n_rows)[rows] for rows in blocks]).tolist() == list(range(n_rows))
    assert all(rows.stop - rows.start >= min(n_rows, row_blocks.FEWEST) for rows in blocks)
    assert all(rows.start % row_blocks.FEWEST == 0 for rows in blocks)

"""Draws that all pairs of a study share are kept while they are compared."""

import numpy as np

from bertft_core.statistics.kept_draws import forget_draws, kept_draws


def test_a_draw_is_kept_until_all_are_forgotten() -> None:
    calls = []

    @kept_draws(maxsize=1)
    def ones(n: int) -> np.ndarray:
        calls.append(n)
        return np.ones(n)

    first = ones(3)
    assert ones(3) is first
    forget_draws()
    assert ones(3) is not first
    assert calls == [3, 3]

"""A sentence names the level that its interval was made at, also where seeds were added by looking."""

import pytest

from bertft_core.evaluation.differences import Told
from bertft_core.statistics.mean_intervals import t_interval


@pytest.mark.parametrize(("level", "percent"), [(0.95, "95 %"), (0.9723, "97.23 %")])
@pytest.mark.parametrize("gaps", [[0.20, 0.22, 0.25], [-0.10, 0.02, 0.15]])
def test_the_level_of_the_interval_is_told(level: float, percent: str, gaps: list[float]) -> None:
    sentence = Told("full", "features", "test", "accuracy", "maximize").sentence(gaps, level)
    low, high = t_interval(gaps, level) or (0.0, 0.0)
    assert f"{percent} interval" in sentence
    for end in (low, high):
        assert f"{100 * abs(end):.1f}" in sentence

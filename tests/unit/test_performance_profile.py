"""Performance profiles: rliable's definition, and a band that equals the bootstrap's."""

import itertools

import numpy as np
import pytest

from bertft_core.statistics.performance_profile import performance_profile, profile_points


def test_the_share_counts_scores_strictly_above_tau():
    found = performance_profile([1.0, 2.0, 2.0, 4.0], [0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
    assert found.share.tolist() == [1.0, 0.75, 0.75, 0.25, 0.25, 0.0]


def test_the_band_is_that_of_all_resamples():
    scores, taus = [1.0, 2.0, 4.0, 5.0], [1.5, 3.0, 4.5]
    resamples = np.array(list(itertools.product(scores, repeat=4)))
    shares = np.array([(resamples > tau).mean(axis=1) for tau in taus])
    found = performance_profile(scores, taus, level=0.9)
    assert found.low == pytest.approx(np.quantile(shares, 0.05, axis=1, method="inverted_cdf"))
    assert found.high == pytest.approx(np.quantile(shares, 0.95, axis=1, method="inverted_cdf"))


def test_where_all_or_none_are_above_the_band_has_no_width():
    found = performance_profile([1.0, 2.0], [0.0, 3.0])
    assert (found.low.tolist(), found.high.tolist()) == ([1.0, 0.0], [1.0, 0.0])


def test_points_show_every_step():
    points = profile_points([[1.0, 2.0], [2.0]])
    shares = performance_profile([1.0, 2.0], points).share.tolist()
    assert shares == [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    assert points == sorted(points)
    assert len(profile_points([list(range(500))], 100)) == 100
    assert profile_points([[]]) == []


@pytest.mark.parametrize(("scores", "level"), [([], 0.95), ([1.0], 1.0)])
def test_what_cannot_be_drawn_is_refused(scores, level):
    with pytest.raises(ValueError, match=r"score|level"):
        performance_profile(scores, [0.0], level)

"""Seeds are added until an interval is narrow; the corrected interval covers where the plain one does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics.sequential_intervals import interim_analyses_at, interim_level, seeds_wanted, t_half_width

PLAN = (3, 5, 7)
WIDE, NARROW = [0.1, 0.9, 0.5, 0.2, 0.8, 0.3, 0.7], [0.50, 0.51, 0.52, 0.50, 0.51, 0.52, 0.51]


def test_one_analysis_has_the_plain_interval_and_several_never_cost_more_than_bonferroni():
    assert interim_level((5,)) == 0.95
    for plan in ((3, 5), PLAN, (5, 9, 13, 17), tuple(range(3, 50))):
        assert 0.95 < interim_level(plan) <= 1 - 0.05 / len(plan)
        assert round(interim_level(plan), 4) == interim_level(plan)
    assert interim_level(PLAN, 0.9) < interim_level(PLAN)
    assert interim_level(PLAN) < interim_level((3, 5, 7, 9, 11, 13))
    with pytest.raises(ValueError, match="at least one"):
        interim_level(())


def test_the_half_width_is_that_of_the_t_interval():
    scores, level = [0.7, 0.9, 0.8, 0.85], 0.99
    low, high = stats.t.interval(level, 3, np.mean(scores), stats.sem(scores))
    assert t_half_width(scores, level) == pytest.approx((high - low) / 2)
    assert t_half_width([0.7], level) is None
    assert t_half_width([], level) is None


def test_it_stops_when_every_arm_is_narrow_and_not_before():
    assert seeds_wanted([], PLAN) == 3
    both = {"a": NARROW[:3], "b": WIDE[:3]}
    analyses = interim_analyses_at(both, PLAN, 0.1)
    assert [(one.n, one.is_enough) for one in analyses] == [(3, False)]
    assert analyses[0].half_widths["a"] < 0.1 < analyses[0].half_widths["b"]
    assert seeds_wanted(analyses, PLAN) == 5
    alone = interim_analyses_at({"a": NARROW}, PLAN, 0.1)
    assert [(one.n, one.is_enough) for one in alone] == [(3, True)]
    assert seeds_wanted(alone, PLAN) == 3


def test_it_stops_at_the_last_look_and_waits_for_the_slowest_arm():
    analyses = interim_analyses_at({"a": WIDE}, PLAN, 0.1)
    assert [one.n for one in analyses] == [3, 5, 7]
    assert not analyses[-1].is_enough
    assert seeds_wanted(analyses, PLAN) == 7
    assert [one.n for one in interim_analyses_at({"a": WIDE, "b": WIDE[:4]}, PLAN, 0.1)] == [3]


@pytest.mark.parametrize("score", [0.5, 0.7, 0.83, 1 / 3])
def test_equal_scores_are_no_measure_of_the_spread_also_where_their_mean_is_rounded(score):
    analyses = interim_analyses_at({"a": [score] * 6}, PLAN, 0.1)
    assert [(one.n, one.is_enough, one.half_widths["a"]) for one in analyses] == [(3, False, 0.0), (5, True, 0.0)]


def test_runs_without_a_score_are_passed_over_and_one_score_is_never_enough():
    (one, *_) = interim_analyses_at({"a": [0.5, None, 0.6]}, PLAN, 10.0)
    assert one.half_widths["a"] == pytest.approx(t_half_width([0.5, 0.6], interim_level(PLAN)))
    assert one.is_enough
    (one,) = interim_analyses_at({"a": [0.5, None, None]}, PLAN, 10.0)
    assert one.half_widths["a"] is None
    assert not one.is_enough


def test_scores_that_are_all_equal_are_not_believed_at_the_first_look():
    analyses = interim_analyses_at({"a": [0.5] * 7, "b": NARROW}, PLAN, 0.1)
    assert [(one.n, one.half_widths["a"], one.is_enough) for one in analyses] == [(3, 0.0, False), (5, 0.0, True)]


def test_a_look_does_not_depend_on_what_comes_after_it():
    rng = np.random.default_rng(0)
    scores = list(rng.normal(size=40))
    plan = (5, 10, 20, 40)
    whole = interim_analyses_at({"a": scores}, plan, 0.4)
    for n in range(41):
        assert interim_analyses_at({"a": scores[:n]}, plan, 0.4) == [one for one in whole if one.n <= n]


DESIGNS = [
    ((*range(3, 43, 4), 43), 0.5),
    ((*range(5, 40, 4), 40), 0.6),
    ((3, 7, 11, 15), 0.8),
    ((3, 5), 1.0),
]
"""Seeds at each one, and the half width that is wanted, in sds."""


@pytest.mark.slow  # 5 seconds
@pytest.mark.parametrize(("plan", "wanted"), DESIGNS)
def test_the_corrected_interval_covers_where_the_plain_one_does_not(plan, wanted):
    """8,000 studies of one arm, normal scores; the plain rule stops by its own 95 % interval. Standard error 0.0025."""
    n_studies, rng = 8000, np.random.default_rng(1965)
    covered = {"plain": 0, "corrected": 0}
    for _ in range(n_studies):
        scores = rng.normal(size=plan[-1])
        for name, level in (("plain", 0.95), ("corrected", interim_level(plan))):
            halves = [(n, t_half_width(scores[:n], level)) for n in plan]
            n, half = next((pair for pair in halves if pair[1] <= wanted), halves[-1])
            covered[name] += abs(np.mean(scores[:n])) <= half
    assert covered["plain"] / n_studies < 0.94
    assert 0.945 <= covered["corrected"] / n_studies <= 0.97


@pytest.mark.slow  # 5 seconds
def test_another_metric_and_another_arm_are_covered_too():
    """The study stops by two arms; the interval of another metric, correlated by 0.9 with the first arm's, still covers."""
    plan, n_studies = (3, 7, 11, 15), 4000
    rng = np.random.default_rng(4)
    covered = {"second arm": 0, "other metric": 0}
    for _ in range(n_studies):
        watched, second = rng.normal(size=(2, 15))
        other = 0.9 * watched + np.sqrt(1 - 0.81) * rng.normal(size=15)
        n = interim_analyses_at({"a": list(watched), "b": list(second)}, plan, 0.8)[-1].n
        for name, scores in (("second arm", second), ("other metric", other)):
            covered[name] += abs(np.mean(scores[:n])) <= t_half_width(scores[:n], interim_level(plan))
    assert min(covered.values()) / n_studies >= 0.94

"""Schedules that stop runs early: their cost, their outcome draw by draw, and the best one for a budget."""

import numpy as np
import pytest

from bertft_core.statistics.early_stopping_of_seeds import best_schedules, cost, outcomes_by_keep, whole_runs
from bertft_core.statistics.expected_best import with_replacement

CURVES = np.array([[0.1, 0.5, 0.6, 0.9], [0.3, 0.4, 0.4, 0.4], [0.2, 0.2, 0.3, 0.7], [0.3, 0.6, 0.5, 0.5]])


@pytest.mark.parametrize(("start", "stop_at", "keep", "runs"), [(20, 0.25, 10, 12.5), (41, 0.3, 11, 20.0), (7, 1.0, 7, 7)])
def test_the_cost_is_the_reference_number(start, stop_at, keep, runs):
    assert cost(start, stop_at, keep) == pytest.approx(runs)


def even(n):
    """Shares of training of n evaluations at equal distances."""
    return np.arange(1, n + 1) / n


def shown(draw, cut, keep):
    """The rule in plain words."""
    ranked = sorted(draw, key=lambda run: -max(CURVES[run][:cut]))
    kept, stopped = ranked[:keep], ranked[keep:]
    return max([max(CURVES[run]) for run in kept] + [max(CURVES[run][:cut]) for run in stopped])


@pytest.mark.parametrize(("cut", "keep"), [(1, 1), (1, 2), (2, 1), (3, 3)])
def test_each_resample_follows_the_rule(cut, keep):
    draws = np.random.default_rng(0).integers(0, 4, size=(200, 6))
    found = outcomes_by_keep(CURVES, 5, cut, draws)[:, keep - 1]
    assert found.tolist() == [shown(draw[:5].tolist(), cut, keep) for draw in draws]


def test_whole_runs_are_the_expected_best():
    draws = np.random.default_rng(0).integers(0, 4, size=(40_000, 3))
    expected = with_replacement(CURVES.max(axis=1)).mean[2]
    assert whole_runs(CURVES, 3, draws).expected == pytest.approx(expected, abs=0.003)


def test_where_early_evaluations_tell_the_end_stopping_early_pays():
    levels = np.linspace(0, 1, 20)
    curves = levels[:, None] * np.linspace(0.5, 1, 10)[None, :]
    (one, _), (three, whole) = best_schedules(curves, even(10), [1, 3], np.random.default_rng(1), 500)
    assert (one.keep, three.keep) == (1, 1)
    assert three.start > 3
    assert three.stop_at < 1
    assert (one.cost, three.cost) <= (1 + 1e-9, 3 + 1e-9)
    assert three.expected > whole.expected
    assert whole == whole_runs(curves, 3, np.random.default_rng(1).integers(0, 20, size=(500, 50)))


def test_where_the_winner_shows_only_at_the_end_whole_runs_are_best():
    backwards = np.hstack([np.tile(np.arange(20)[:, None] / 1000, 4), (20 - np.arange(20))[:, None] / 20 + 1])
    ((best, whole),) = best_schedules(backwards, even(5), [4], np.random.default_rng(1), 2000)
    assert best == whole
    assert (best.start, best.stop_at, best.keep) == (4, 1.0, 4)


def test_the_same_generator_gives_the_same_schedules_and_one_evaluation_cannot_be_cut():
    first, again = (best_schedules(CURVES, even(4), [1, 2], np.random.default_rng(5), 300) for _ in range(2))
    assert first == again
    alone = best_schedules(CURVES[:, :1], np.ones(1), [1, 2], np.random.default_rng(5), 300)
    assert [one.stop_at for one, _ in alone] == [1.0, 1.0]


def test_the_cost_follows_the_share_of_training_and_not_the_number_of_evaluations():
    curves = np.linspace(0, 1, 20)[:, None] * np.linspace(0.5, 1, 4)[None, :]
    late = np.array([0.7, 0.8, 0.9, 1.0])
    ((best, _),) = best_schedules(curves, late, [4], np.random.default_rng(1), 500)
    assert (best.stop_at, best.keep, best.start) == (0.7, 1, 5)
    assert best.cost == pytest.approx(3.8)

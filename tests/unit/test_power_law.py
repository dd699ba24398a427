"""The power law of learning curves against `scipy.optimize.curve_fit`, known curves, and the t-interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from bertft_core.statistics.mean_intervals import t_interval
from bertft_core.statistics.power_law import (
    EXPONENTS,
    PowerLaws,
    fit_power_laws,
    resampled_means,
    resampling_interval,
)

SIZES = np.array([60.0, 120.0, 240.0, 480.0, 960.0])


def law_of(limit, amplitude, exponent):
    return PowerLaws(np.array([limit]), np.array([amplitude]), np.array([exponent]), 60.0)


@pytest.mark.parametrize(
    ("limit", "amplitude", "exponent"), [(0.9, 0.2, 0.5), (0.8, 0.1, 1.5), (1.0, 0.4, 0.3), (-0.2, 1.1, 0.7)]
)
def test_a_known_curve_is_found_again(limit, amplitude, exponent):
    true = law_of(limit, amplitude, exponent)
    fitted = fit_power_laws(SIZES, true.at(SIZES), 1.0)
    assert fitted.converged.all()
    assert (fitted.limit[0], fitted.amplitude[0], fitted.exponent[0]) == pytest.approx((limit, amplitude, exponent), rel=1e-4)
    assert fitted.at(np.array([1920.0])) == pytest.approx(true.at(np.array([1920.0])), rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_no_fit_of_scipy_is_better(seed):
    rng = np.random.default_rng(seed)
    scores = law_of(0.9, 0.25, 0.6).at(SIZES)[0] + rng.normal(0, 0.01, size=len(SIZES))
    ours = fit_power_laws(SIZES, scores[None], 1.0)

    def law(n, a, b, c):
        return a - b * (n / 60) ** -c

    bounds = ([-np.inf, 0, EXPONENTS[0]], [1.0, np.inf, EXPONENTS[1]])
    theirs, _ = curve_fit(law, SIZES, scores, p0=(0.8, 0.2, 0.5), bounds=bounds, xtol=1e-12, ftol=1e-12, gtol=1e-12)
    errors = [((scores - fitted) ** 2).sum() for fitted in (ours.at(SIZES)[0], law(SIZES, *theirs))]
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)
    assert ours.at(2 * SIZES[-1:])[0] == pytest.approx(law(2 * SIZES[-1:], *theirs), abs=1e-3)


def test_no_law_is_better_than_the_best_possible_score():
    rising = np.array([[0.70, 0.78, 0.85, 0.91, 0.96]])  # nearly a straight line in log n
    assert fit_power_laws(SIZES, rising).limit[0] > 1.0
    limited = fit_power_laws(SIZES, rising, 1.0)
    assert (limited.limit[0], bool(limited.converged[0])) == (1.0, True)


@pytest.mark.parametrize("scores", [[0.8] * 5, [0.9, 0.8, 0.7, 0.65, 0.6], [0.5, 0.9, 0.9, 0.9, 0.9]])
def test_level_falling_and_stepping_scores_have_no_law(scores):
    assert not fit_power_laws(SIZES, np.array([scores]), 1.0).converged.any()


def test_several_laws_are_fitted_as_each_alone():
    rng = np.random.default_rng(3)
    scores = law_of(0.9, 0.25, 0.6).at(SIZES) + rng.normal(0, 0.02, size=(6, len(SIZES)))
    together = fit_power_laws(SIZES, scores, 1.0)
    alone = [fit_power_laws(SIZES, row[None], 1.0).exponent[0] for row in scores]
    assert together.exponent == pytest.approx(alone, rel=1e-12)


def test_the_interval_of_a_mean_is_the_t_interval_and_the_resamples_follow_their_seed():
    scores = np.random.default_rng(0).normal(0.8, 0.05, size=(6, 1))
    means = resampled_means(scores, 1)
    assert (means == resampled_means(scores, 1)).all()
    assert (means != resampled_means(scores, 2)).any()
    low, high = resampling_interval(scores.mean(axis=0), means, 6, 0.95)
    assert (low[0], high[0]) == pytest.approx(t_interval(scores[:, 0].tolist()), abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "sd"), [(4, 0.01), (8, 0.01), (5, 0.03)])
def test_the_interval_of_what_doubling_gives_covers_about_as_often_as_it_says(n_seeds, sd):
    true, ends, rng = law_of(0.9, 0.2, 0.6), np.array([480.0, 960.0]), np.random.default_rng(0)
    gain, covered, n = np.diff(true.at(ends))[0, 0], 0, 200
    for i in range(n):
        scores = true.at(SIZES[:4]) + rng.normal(0, sd, size=(n_seeds, 4))
        fitted, resampled = (
            fit_power_laws(SIZES[:4], each, 1.0) for each in (scores.mean(axis=0)[None], resampled_means(scores, i))
        )
        low, high = resampling_interval(np.diff(fitted.at(ends))[0], np.diff(resampled.at(ends)), n_seeds, 0.95)
        covered += bool(low[0] <= gain <= high[0])
    assert 0.84 <= covered / n <= 0.99

"""What can be resampled: scores from counts are those of the drawn examples themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from bertft_core.statistics.resampling import Additive, Averaged, Floats, Resamplable
from bertft_core.statistics.spearman_bootstrap import SpearmanBootstrap
from tests.helpers.score_grids import mean_over_examples


def _drawn(n: int, seed: int) -> tuple[Floats, Floats]:
    """Positions [5, n] of drawn examples, and how often each was drawn [5, n]."""
    positions = np.random.default_rng(seed).integers(0, n, size=(5, n))
    return positions, np.stack([np.bincount(row, minlength=n) for row in positions]).astype(np.float32)


def test_a_mean_is_that_of_the_drawn_examples_for_every_seed() -> None:
    values = np.random.default_rng(0).normal(size=(3, 40))
    positions, counts = _drawn(40, 1)
    arm = mean_over_examples(values)
    assert (arm.n_seeds, arm.n_examples) == (3, 40)
    np.testing.assert_allclose(arm.scores(counts), values[:, positions].mean(axis=2).T, rtol=1e-12)
    np.testing.assert_allclose(arm.scores(), values.mean(axis=1)[None, :], rtol=1e-12)


def test_sums_shared_by_all_seeds_and_those_of_each_meet_in_the_right_places() -> None:
    rng = np.random.default_rng(2)
    hits, true, predicted = rng.integers(0, 3, (4, 50)), rng.integers(3, 6, 50), rng.integers(3, 6, (4, 50))
    values = [np.stack([hits[i], true, predicted[i]], axis=1).astype(float) for i in range(4)]
    arm = Additive(values, lambda sums: 2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]))
    positions, counts = _drawn(50, 3)
    expected = [[2 * hits[i][row].sum() / (true[row].sum() + predicted[i][row].sum()) for i in range(4)] for row in positions]
    assert arm.scores(counts).tolist() == expected  # whole numbers: not one bit is lost


def test_large_whole_numbers_and_fractions_are_not_rounded_to_single_precision() -> None:
    values = np.array([[2.0**24, 1.0, 1.0, 1.0], [0.1, 0.1, 0.1, 0.1]])
    counts = np.array([[1.0, 1.0, 1.0, 1.0]], dtype=np.float32)
    np.testing.assert_allclose(mean_over_examples(values).scores(counts), [[(2.0**24 + 3) / 4, 0.1]], rtol=1e-15)


@pytest.mark.parametrize("n_values", [4, 1000])
def test_rank_correlation_is_scipys_of_the_drawn_examples_with_and_without_ties(n_values: int) -> None:
    rng = np.random.default_rng(4)
    predicted, true = rng.integers(0, n_values, (3, 60)).astype(float), rng.integers(0, n_values, 60).astype(float)
    positions, counts = _drawn(60, 5)
    expected = [[spearmanr(predicted[i][row], true[row]).statistic for i in range(3)] for row in positions]
    np.testing.assert_allclose(SpearmanBootstrap(predicted, true).scores(counts), expected, atol=1e-12)
    np.testing.assert_allclose(
        SpearmanBootstrap(predicted, true).scores()[0], [spearmanr(row, true).statistic for row in predicted]
    )


def test_more_resamples_than_one_block_are_scored_one_by_one_and_a_constant_has_no_correlation() -> None:
    rng = np.random.default_rng(6)
    predicted, true = np.stack([rng.normal(size=20), np.full(20, 0.3)]), rng.normal(size=20)
    counts = rng.multinomial(20, np.full(20, 1 / 20), size=150).astype(np.float32)
    arm = SpearmanBootstrap(predicted, true)
    found = arm.scores(counts)
    np.testing.assert_array_equal(found[[0, 70, 149]], np.concatenate([arm.scores(counts[i : i + 1]) for i in (0, 70, 149)]))
    assert (found[:, 1] == 0).all()


def test_the_mean_of_two_metrics_and_what_is_refused() -> None:
    values = np.random.default_rng(7).normal(size=(2, 9))
    parts: list[Resamplable] = [mean_over_examples(values), SpearmanBootstrap(values, values[0])]
    _, counts = _drawn(9, 8)
    np.testing.assert_allclose(Averaged(parts).scores(counts), (parts[0].scores(counts) + parts[1].scores(counts)) / 2)
    with pytest.raises(ValueError, match="same seeds"):
        Averaged([parts[0], mean_over_examples(values[:1])])
    with pytest.raises(ValueError, match="each example"):
        SpearmanBootstrap(values, values[0, :5])
    with pytest.raises(ValueError, match="one seed"):
        mean_over_examples(np.empty((0, 4)))

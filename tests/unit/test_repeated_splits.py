"""Statistics of repeated splits: the corrected t, the 5×2cv F test, components with the split among them, pooled predictions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics.mean_intervals import interval_of_mean, t_interval
from bertft_core.statistics.multi_bootstrap import multi_bootstrap
from bertft_core.statistics.pooled_bootstrap import in_repeats, pooled_bootstrap
from bertft_core.statistics.repeated_splits import mean_test_to_train, split_mean, split_scores
from bertft_core.statistics.resampling import Draws, resample_examples
from bertft_core.statistics.shared_by_runs import Splits
from bertft_core.statistics.split_components import split_components
from bertft_core.statistics.split_tests import MeanTest, corrected_t, deciding, fitting_tests, five_by_two_f, split_tests
from bertft_core.statistics.variance_components import nested
from tests.helpers.score_grids import mean_over_examples

TEN = Splits(tuple(range(10)), 1 / 9, folds=10, repeats=1)
FIVE_BY_TWO = Splits(tuple(range(10)), 1.0, folds=2, repeats=5)


def _scores_of(mean: float, variance: float, n: int) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=n)
    return mean + (values - values.mean()) / values.std(ddof=1) * variance**0.5


def test_the_corrected_t_is_the_reference_number() -> None:
    """s² = 0.0004, ten folds, mean 0.02: 0.02 / √((1/10 + 1/9) · 0.0004)."""
    differences = _scores_of(0.02, 0.0004, 10)
    found = split_mean(differences, TEN)
    assert found is not None
    assert found.degrees == 9
    assert found.t == pytest.approx(2.1764, abs=5e-5)
    assert found.p == pytest.approx(2 * stats.t.sf(2.17643, 9), abs=1e-6)
    half = stats.t.ppf(0.95, 9) * ((0.1 + 1 / 9) * 0.0004) ** 0.5
    assert found.interval(0.9) == pytest.approx((0.02 - half, 0.02 + half))
    test = corrected_t(differences + 0.7, np.full(10, 0.7), TEN)
    assert test == ("corrected resampled t", pytest.approx(found.t), pytest.approx(found.p))


def test_without_shared_examples_it_is_the_paired_t_test() -> None:
    first, second = np.random.default_rng(1).normal(size=(2, 6))
    found = corrected_t(first, second, Splits(tuple(range(6)), 0.0))
    theirs = stats.ttest_rel(first, second)
    assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_seeds_of_a_split_are_averaged_first_also_where_some_are_missing() -> None:
    splits = Splits((2, 0, 0, 1, 2, 2), 0.25)
    values = [0.7, 0.5, 0.6, 0.9, 0.8, 0.9]
    assert split_scores(values, splits) == pytest.approx([0.55, 0.9, 0.8])
    twice = split_mean([0.5, 0.6, 0.9, 0.9, 0.7, 0.9], Splits((0, 0, 1, 1, 2, 2), 0.25))
    assert twice == pytest.approx(split_mean([0.55, 0.9, 0.8], Splits((0, 1, 2), 0.25)))
    doubled = Splits(TEN.of_run * 2, TEN.test_to_train)
    scores = _scores_of(0.8, 0.001, 10)
    assert split_mean(np.tile(scores, 2), doubled) == pytest.approx(split_mean(scores, TEN)), "no second sample"
    with pytest.raises(ValueError, match="2 values cannot be those of 3 runs"):
        split_scores([0.5, 0.6], Splits((0, 1, 2), 0.25))


def test_one_split_has_no_interval_and_splits_that_score_alike_no_test() -> None:
    assert split_mean([0.7, 0.8], Splits((3, 3), 0.25)) is None
    assert corrected_t([0.7], [0.6], Splits((0,), 0.25)) == ("corrected resampled t", None, None)
    alike = split_mean([0.7] * 10, TEN)
    assert alike is not None
    assert (alike.t, alike.p, alike.interval()) == (None, None, (pytest.approx(0.7), pytest.approx(0.7)))
    by_rounding = corrected_t([0.1 + 0.2, 0.6, 0.4], [0.2, 0.5, 0.3], Splits((0, 1, 2), 0.5))
    assert by_rounding == ("corrected resampled t", None, None), "0.1 each, but for rounding"
    assert split_mean([1e200, -1e200, 0.0], Splits((0, 1, 2), 0.5)) is None


def test_a_split_with_more_runs_weighs_more_and_the_interval_is_around_the_mean_of_all_runs() -> None:
    found = split_mean([0.5, 0.6, 0.9], Splits((0, 0, 1), 0.25))
    assert found is not None
    assert found.mean == pytest.approx(2 / 3)
    assert found.variance == pytest.approx((4 / 9 + 1 / 9 + 0.25) * (0.9 - 0.55) ** 2 / 2)


def test_the_interval_is_cut_at_the_bounds_and_wider_than_that_of_independent_runs() -> None:
    scores = _scores_of(0.98, 0.0004, 10)
    low, high = interval_of_mean(scores.tolist(), TEN, bounds=(0.0, 1.0)) or (0.0, 0.0)
    plain_low, plain_high = t_interval(scores.tolist()) or (0.0, 0.0)
    whole = interval_of_mean(scores.tolist(), TEN) or (0.0, 0.0)
    assert whole[1] > 1.0 == high
    assert low == whole[0] < plain_low
    assert whole[1] - whole[0] == pytest.approx((plain_high - plain_low) * (1 + 10 / 9) ** 0.5)


def test_the_ratio_is_that_of_bouckaert_and_frank_for_folds_and_counts_distinct_examples() -> None:
    for k in (2, 5, 10):
        assert mean_test_to_train([100 // k] * k, 100) == pytest.approx(1 / (k - 1))
    assert mean_test_to_train([10, 20], 50) == pytest.approx((10 / 40 + 20 / 30) / 2)
    for sizes in ([], [0, 10], [10, 50]):
        with pytest.raises(ValueError, match="every split must test some of the 50 examples"):
            mean_test_to_train(sizes, 50)


@pytest.mark.parametrize(
    ("first", "second", "f", "p"),
    [
        (
            [0.81, 0.78, 0.84, 0.80, 0.79, 0.82, 0.83, 0.77, 0.80, 0.81],
            [0.77, 0.76, 0.78, 0.79, 0.80, 0.77, 0.76, 0.75, 0.79, 0.74],
            1.4761904761904772,
            0.34948026046898384,
        ),
        (
            [0.804, 0.796, 0.819, 0.803, 0.784, 0.811, 0.839, 0.828, 0.779, 0.762],
            [0.771, 0.791, 0.72, 0.783, 0.753, 0.768, 0.774, 0.781, 0.802, 0.821],
            2.795426100807829,
            0.13402641867002157,
        ),
    ],
)
def test_the_f_test_gives_the_numbers_of_mlxtend(first: list[float], second: list[float], f: float, p: float) -> None:
    """mlxtend 0.25.0, which splits and scores by itself, was given these scores in its order:

    scores = iter([s for of_fold in zip(first, second) for s in of_fold])
    combined_ftest_5x2cv(DummyClassifier(), DummyClassifier(), np.zeros((20, 1)), np.arange(20) % 2,
                         scoring=lambda *_: next(scores), random_seed=0)
    """
    assert five_by_two_f(first, second, FIVE_BY_TWO) == ("5x2cv F", pytest.approx(f), pytest.approx(p))
    twice = FIVE_BY_TWO._replace(of_run=FIVE_BY_TWO.of_run * 2)
    more, less = np.concatenate([np.array(first) + 0.01, np.array(first) - 0.01]), second * 2
    assert five_by_two_f(more, less, twice).statistic == pytest.approx(f), "seeds are averaged"


def test_the_f_test_is_absent_where_no_repeat_has_spread() -> None:
    first = [0.8, 0.8, 0.7, 0.7, 0.9, 0.9, 0.8, 0.8, 0.6, 0.6]
    assert five_by_two_f(first, [0.6] * 10, FIVE_BY_TWO) == ("5x2cv F", None, None)


def test_the_f_test_is_for_five_complete_repeats_of_two_folds_alone() -> None:
    assert fitting_tests(FIVE_BY_TWO) == ("corrected resampled t", "5x2cv F")
    first, second = np.random.default_rng(2).normal(size=(2, 10))
    both = (corrected_t(first, second, FIVE_BY_TWO), five_by_two_f(first, second, FIVE_BY_TWO))
    assert split_tests(first, second, FIVE_BY_TWO) == both
    for splits in (
        TEN,
        Splits(tuple(range(10)), 0.25, folds=5, repeats=2),
        Splits(tuple(range(12)), 1.0, folds=2, repeats=6),
        FIVE_BY_TWO._replace(of_run=tuple(range(9))),
        Splits(tuple(range(10)), 1.0),
    ):
        assert fitting_tests(splits) == ("corrected resampled t",)
        first, second = np.random.default_rng(2).normal(size=(2, len(splits.of_run)))
        assert split_tests(first, second, splits) == (corrected_t(first, second, splits),)
        with pytest.raises(ValueError, match="5 complete repeats of 2 folds"):
            five_by_two_f(first, second, splits)


def test_the_largest_p_decides_and_an_undefined_test_does_not() -> None:
    t, f, undefined = MeanTest("t", 2.0, 0.04), MeanTest("F", 3.0, 0.12), MeanTest("F", None, None)
    assert deciding((t, f)) == f
    assert deciding((undefined, t)) == t
    assert deciding((undefined,)) is None


def test_components_are_those_of_runs_nested_in_splits() -> None:
    groups = [[0.70, 0.74, 0.71], [0.80, 0.83], [0.75, 0.78, 0.73], [0.79]]
    of_run = tuple(split for split, group in enumerate(groups) for _ in group)
    values = [value for group in groups for value in group]
    shuffled = np.random.default_rng(0).permutation(len(values))
    found = split_components(np.array(values)[shuffled], Splits(tuple(np.array(of_run)[shuffled]), 0.25))
    between, within = nested(groups)
    assert found is not None
    assert (found.split.variance, found.seeds.variance) == pytest.approx((between.variance, within.variance))
    assert (found.split.low, found.split.high, found.split.f_p) == pytest.approx((between.low, between.high, between.f_p))
    assert (found.split.source, found.seeds.source) == ("split", "seeds")


def test_one_run_a_split_has_no_components_and_equal_scores_no_test() -> None:
    assert split_components([0.7, 0.8, 0.9], Splits((0, 1, 2), 0.5)) is None
    assert split_components([0.7, 0.8], Splits((0, 0), 0.5)) is None
    alike = split_components([0.7] * 4, Splits((0, 0, 1, 1), 0.5))
    assert alike is not None
    assert (alike.split.variance, alike.seeds.variance, alike.split.f_p) == (0.0, 0.0, None)


def _pooled_arms(n_columns: int, seed: int = 0) -> list[Draws]:
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(size=80)
    right = (difficulty + rng.normal(size=(2, n_columns, 80)) > -0.5).astype(np.float64)
    return resample_examples([mean_over_examples(of_arm) for of_arm in right], 3, 500)


def test_the_pooled_bootstrap_adds_the_interaction_that_the_multi_bootstrap_subtracts() -> None:
    first, second = _pooled_arms(4)
    plain = multi_bootstrap(first, second, paired=True, bootstrap_seed=5)
    found = pooled_bootstrap(first, second, range(4), bootstrap_seed=5)
    assert found is not None
    assert found.both is not None
    assert first.resampled is not None
    assert second.resampled is not None
    assert (found.difference, found.seeds, found.examples) == (plain.difference, plain.seeds, plain.examples)
    of_repeats = np.var(first.scores - second.scores, ddof=1) / 4
    resampled = first.resampled - second.resampled
    together = np.var(resampled, axis=1, ddof=1).mean() / 4 - of_repeats
    parts = max(of_repeats - together, 0), np.var(resampled.mean(axis=1), ddof=1) + 4 * together
    variance = sum(parts)
    half = (stats.t.ppf(0.975, 3) * parts[0] + stats.norm.ppf(0.975) * parts[1]) / variance**0.5
    assert (found.both.low, found.both.high) == pytest.approx((found.difference - half, found.difference + half))


def test_seeds_of_a_repeat_are_averaged_and_their_order_has_no_effect() -> None:
    first, second = _pooled_arms(6)
    repeats = [0, 1, 2, 0, 1, 2]
    averaged = in_repeats(first, repeats)
    assert averaged.resampled is not None
    assert first.resampled is not None
    assert averaged.scores == pytest.approx((first.scores[:3] + first.scores[3:]) / 2)
    np.testing.assert_allclose(averaged.resampled, (first.resampled[:, :3] + first.resampled[:, 3:]) / 2)
    found = pooled_bootstrap(first, second, repeats, bootstrap_seed=5)
    order = [5, 0, 4, 1, 3, 2]
    moved = [Draws(arm.scores[order], None if arm.resampled is None else arm.resampled[:, order]) for arm in (first, second)]
    again = pooled_bootstrap(moved[0], moved[1], [repeats[i] for i in order], bootstrap_seed=5)
    assert found is not None
    assert again is not None
    assert found.both is not None
    assert again.both is not None
    assert again.both == pytest.approx(found.both)
    with pytest.raises(ValueError, match="6 columns cannot be those of 2 repeats"):
        in_repeats(first, [0, 1])


def test_one_repeat_says_nothing_about_other_models_and_equal_arms_differ_by_nothing() -> None:
    first, second = _pooled_arms(3)
    assert pooled_bootstrap(first, second, [0, 0, 0], bootstrap_seed=1) is None
    alike = pooled_bootstrap(first, first, [0, 1, 2], bootstrap_seed=1)
    assert alike is not None
    assert alike.both is not None
    assert (alike.difference, alike.both.low, alike.both.high, alike.both.p) == (0.0, 0.0, 0.0, 1.0)
    seeds_only = pooled_bootstrap(Draws(first.scores), Draws(second.scores), [0, 1, 2], bootstrap_seed=1)
    assert seeds_only is not None
    assert (seeds_only.examples, seeds_only.both) == (None, None)

"""Tests of means and spreads over seeds, exact permutations, Holm's correction, effect sizes, McNemar's test."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from bertft_core.statistics import disagreement, effect_sizes, equal_variance, mean_tests, permutations
from bertft_core.statistics.mean_tests import holm
from bertft_core.statistics.probability_of_superiority import superiority

A = [70.1, 69.3, 71.0, 72.5, 68.9]
B = [60.2, 71.4, 47.3, 69.9, 75.1]
HALVES = [146 / 277, 195 / 277]


def test_holm_is_monotone_and_in_the_order_given() -> None:
    """deep-significance: [.04, .03, .03] of the first, because it neither runs a maximum nor finds the way back."""
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    rng = np.random.default_rng(0)
    p = rng.random(12) ** 3
    corrected = np.array(holm(p))
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()
    assert (corrected <= np.minimum(1.0, len(p) * p)).all(), "never weaker than Bonferroni's correction"
    np.testing.assert_allclose(corrected, np.array(holm(p[::-1]))[::-1])


def test_t_tests_are_scipys() -> None:
    for ours, theirs in (
        (mean_tests.paired_t(A, B), stats.ttest_rel(A, B)),
        (mean_tests.welch_t(A, B[:4]), stats.ttest_ind(A, B[:4], equal_var=False)),
    ):
        assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))


@pytest.mark.filterwarnings("error")
def test_an_arm_without_spread_is_tested_without_a_warning() -> None:
    assert mean_tests.welch_t([1, 2, 3], [4, 4, 4]).p == pytest.approx(stats.ttest_1samp([1, 2, 3], 4).pvalue)


def test_ranks_without_ties_give_scipys_exact_tests() -> None:
    signed, u = mean_tests.wilcoxon(A, B, 0), mean_tests.mann_whitney(A, B, 0)
    differences = np.array(A) - B
    assert signed.p == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
    assert signed.statistic == stats.rankdata(np.abs(differences))[differences > 0].sum()
    theirs = stats.mannwhitneyu(A, B, method="exact")
    assert (u.statistic, u.p) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_ties_are_exact_too_and_rounding_does_not_untie_them() -> None:
    tied = mean_tests.wilcoxon([0.3, 0.2, 0.5], [0.2, 0.1, 0.6], 0)  # differences 0.1, 0.1 and -0.1, but for rounding
    assert (tied.statistic, tied.p) == (4.0, 1.0)
    assert mean_tests.wilcoxon([1, 1, 3], [1, 1, 2], 0) == ("Wilcoxon signed rank", 1.0, 1.0)
    assert mean_tests.wilcoxon([1, 2], [1, 2], 0) == ("Wilcoxon signed rank", 0.0, 1.0)
    a, b = [1, 2, 2, 3], [2, 3, 3, 4]
    ranks = stats.rankdata(a + b)
    sums = [ranks[list(group)].sum() - 18 for group in itertools.combinations(range(8), 4)]
    expected = np.mean(np.abs(sums) >= abs(ranks[:4].sum() - 18) - 1e-9)
    assert mean_tests.mann_whitney(a, b, 0).p == pytest.approx(expected)


def test_permutations_are_enumerated_by_hand_values() -> None:
    assert permutations.sign_flip_p([1, 2, 3, 4, 5], 0) == 2 / 32
    assert permutations.sign_flip_p([1, 2, -3], 0) == 1.0
    assert permutations.label_p([4, 5, 6], [1, 2, 3], 0) == 2 / 20
    assert permutations.label_p([1, 1], [1, 1, 1], 0) == 1.0
    theirs = stats.permutation_test((A, B), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), vectorized=True)
    ours = mean_tests.permutation(A, B, paired=False, permutation_seed=0)
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_many_runs_are_sampled_with_a_seed_and_never_get_a_p_of_zero() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.4, 1, 30), rng.normal(0, 1, 30)
    for paired, theirs in ((True, stats.ttest_rel(a, b).pvalue), (False, stats.ttest_ind(a, b).pvalue)):
        p = [mean_tests.permutation(a, b, paired=paired, permutation_seed=seed).p for seed in (1, 1, 2)]
        assert p[0] == p[1] != p[2]
        assert p[0] == pytest.approx(theirs, abs=0.03)
        far = mean_tests.permutation(a + 100, b, paired=paired, permutation_seed=1)
        assert far.p == 1 / (permutations.N_SAMPLED + 1)
    assert mean_tests.wilcoxon(a, b, 0).p == pytest.approx(stats.wilcoxon(a, b).pvalue, abs=0.02)
    assert mean_tests.mann_whitney(a, b, 0).p == pytest.approx(stats.mannwhitneyu(a, b).pvalue, abs=0.02)


def test_what_has_no_spread_or_too_few_runs_has_no_number() -> None:
    tenths, more = [0.1, 0.2, 0.3], [0.2, 0.3, 0.4]  # always 0.1 apart, but for rounding
    assert mean_tests.paired_t(tenths, more) == ("paired t", None, None)
    assert mean_tests.welch_t([1, 1], [2, 2]) == ("Welch t", None, None)
    for found in (
        mean_tests.welch_t([1], [2, 3]),
        mean_tests.wilcoxon([1], [2], 0),
        mean_tests.mann_whitney([1], [2, 3], 0),
        mean_tests.permutation([1], [2], paired=True, permutation_seed=0),
        equal_variance.levene([1, 1], [2, 2]),
        equal_variance.levene([1, 2], [3, 5]),  # each as far from its mean as the other
        equal_variance.levene(HALVES, [195 / 277, 190 / 277]),
        equal_variance.brown_forsythe(HALVES * 3, [195 / 277, 190 / 277] * 3),  # though rounding says otherwise
        equal_variance.brown_forsythe(A, B[:4]),
    ):
        assert (found.statistic, found.p) == (None, None)
    with pytest.raises(ValueError):
        permutations.sign_flip_p([], 0)
    with pytest.raises(ValueError):
        permutations.label_p([], [1], 0)


def test_spread_is_tested_about_mean_or_median_and_they_may_disagree() -> None:
    levene, brown = equal_variance.levene(A, B), equal_variance.brown_forsythe(A, B)
    assert (levene.statistic, levene.p) == pytest.approx((10.2647070, 0.0125394), abs=1e-7)
    assert (brown.statistic, brown.p) == pytest.approx((2.7286138, 0.1371683), abs=1e-7)


def test_the_ratio_of_sds_has_the_interval_of_f() -> None:
    found = equal_variance.sd_ratio(A, B)
    assert found is not None
    ratio, low, high = found
    assert ratio == pytest.approx(np.std(A, ddof=1) / np.std(B, ddof=1))
    assert stats.f.sf((ratio / low) ** 2, 4, 4) == pytest.approx(0.025)
    assert stats.f.cdf((ratio / high) ** 2, 4, 4) == pytest.approx(0.025)
    assert equal_variance.sd_ratio(A, [1, 1]) is None


def test_spread_of_pairs_is_tested_by_the_correlation_of_sums_and_differences() -> None:
    a, b = np.array(A), np.array(B)
    assert equal_variance.pitman_morgan(A, B).p == pytest.approx(stats.pearsonr(a + b, a - b).pvalue)
    assert equal_variance.pitman_morgan([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])[1:] == (None, None)


def test_effect_sizes_of_hand_values() -> None:
    a, b = [3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0]
    pooled = ((2 * 1 + 3 * 5 / 3) / 5) ** 0.5
    assert effect_sizes.cohens_d(a, b) == pytest.approx(1.5 / pooled)
    assert effect_sizes.hedges_g(a, b) == pytest.approx(1.5 / pooled * (1 - 3 / (4 * 5 - 1)), rel=0.005)
    assert effect_sizes.paired_d(a, [1.0, 3.0, 3.0]) == pytest.approx((5 / 3) / (1 / 3) ** 0.5)
    assert effect_sizes.cliffs_delta(a, b) == pytest.approx((2 - 1 + 3 + 4) / 12)
    assert effect_sizes.cohens_d([1, 1], [2, 2]) is None
    assert effect_sizes.hedges_g([1, 2], [3]) is None
    assert effect_sizes.paired_d([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]) is None


def test_scores_that_differ_by_rounding_alone_are_tied_everywhere() -> None:
    """0.1 + 0.2 is above 0.3 in its last bit: eight such pairs would have had p = 2/256, and a d without end."""
    a, b = [0.1 + 0.2] * 8, [0.3] * 8
    for paired in (True, False):
        assert mean_tests.permutation(a, b, paired=paired, permutation_seed=0).p == 1.0
        assert superiority(a, b, paired=paired, bootstrap_seed=0, n_resamples=10).probability == 0.5
    assert effect_sizes.cliffs_delta(a, b) == 0.0
    assert effect_sizes.paired_d([*a, 0.3], [*b, 0.3]) is None
    assert effect_sizes.paired_d([0.5, 0.1 + 0.2], [0.4, 0.2]) is None


def test_examples_are_counted_by_who_is_right_over_pairs_of_seeds() -> None:
    a, b = np.array([[1, 1, 0, 0], [1, 0, 0, 1]]), np.array([[1, 0, 1, 0], [0, 0, 0, 1]])
    assert disagreement.shares(a, b, paired=True) == (2 / 8, 2 / 8, 1 / 8, 3 / 8)
    unpaired = disagreement.shares(a, b[:1], paired=False)
    assert unpaired == (2 / 8, 2 / 8, 2 / 8, 2 / 8)


def test_mcnemars_test_over_seeds_takes_an_example_as_a_cluster() -> None:
    a = np.array([[1, 1, 0, 1], [1, 1, 0, 0], [0, 1, 0, 1]])
    b = np.array([[0, 1, 1, 1], [0, 1, 0, 0], [0, 1, 1, 0]])
    found = disagreement.clustered_mcnemar(a, b)
    d = np.array([2 / 3, 0, -2 / 3, 1 / 3])
    assert found.statistic == pytest.approx(d.sum() ** 2 / (d**2).sum())
    assert found.p == pytest.approx(stats.chi2.sf(d.sum() ** 2 / (d**2).sum(), 1))
    many = disagreement.clustered_mcnemar(np.repeat(a, 10, axis=0), np.repeat(b, 10, axis=0))
    assert many.p == pytest.approx(found.p)  # ten times the same answers say nothing new
    assert disagreement.clustered_mcnemar(a, a) == (None, None)
    one = disagreement.clustered_mcnemar(a[:1], b[:1])
    assert one.statistic == pytest.approx((1 - 1) ** 2 / 2)  # (b − c)²/(b + c) for one run of each

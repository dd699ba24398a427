"""Tests over the seeds of whether one arm scores higher than another, with two-sided p-values, and Holm's correction.

None where a test is undefined: a t-test of scores without spread, and any test with fewer than two runs of an arm.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from bertft_core.statistics.permutations import label_p, sign_flip_p
from bertft_core.statistics.rounding import Floats, Scores, differences_of, has_spread, largest_of, rounded


class MeanTest(NamedTuple):
    """A test by its name in the literature."""

    name: str
    statistic: float | None
    p: float | None


def paired_t(first: Scores, second: Scores) -> MeanTest:
    """t of the differences with n − 1 degrees of freedom (Student 1908)."""
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    if len(differences) < 2 or not has_spread(differences, at=largest_of(first, second)):
        return MeanTest("paired t", None, None)
    n, mean = len(differences), differences.mean()
    t = float(mean / np.sqrt(((differences - mean) ** 2).mean() * (n / (n - 1)) / n))
    return MeanTest("paired t", t, float(2 * stdtr(n - 1, -abs(t))))


def welch_t(first: Scores, second: Scores) -> MeanTest:
    """t of two groups with unequal variances (Welch 1947)."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2 or not (has_spread(a) or has_spread(b)):
        return MeanTest("Welch t", None, None)
    # computed here because scipy warns about lost precision where one arm has no spread
    of_a, of_b = float(np.var(a, ddof=1)) / len(a), float(np.var(b, ddof=1)) / len(b)
    degrees = (of_a + of_b) ** 2 / (of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1))
    t = float(a.mean() - b.mean()) / (of_a + of_b) ** 0.5
    return MeanTest("Welch t", t, float(2 * stdtr(degrees, -abs(t))))


def wilcoxon(first: Scores, second: Scores, permutation_seed: int) -> MeanTest:
    """Signed ranks of the non-zero differences (Wilcoxon 1945); statistic: the sum of the positive ranks.

    p is exact, also with ties, for up to 16 pairs and sampled above, as in `sign_flip_p`.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    differences = differences_of(a, b)
    differences = rounded(differences[differences != 0])
    if len(a) < 2:
        return MeanTest("Wilcoxon signed rank", None, None)
    if not len(differences):
        return MeanTest("Wilcoxon signed rank", 0.0, 1.0)
    ranks = ranks_of(np.abs(differences))
    p = sign_flip_p(np.sign(differences) * ranks, permutation_seed)
    return MeanTest("Wilcoxon signed rank", float(ranks[differences > 0].sum()), p)


def mann_whitney(first: Scores, second: Scores, permutation_seed: int) -> MeanTest:
    """Mann & Whitney 1947; statistic: U of the first, ties count half. p is exact, also with ties, for the sizes of `label_p`."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2:
        return MeanTest("Mann-Whitney U", None, None)
    ranks = ranks_of(rounded(np.concatenate([a, b])))
    u = float(ranks[: len(a)].sum()) - len(a) * (len(a) + 1) / 2
    return MeanTest("Mann-Whitney U", u, label_p(ranks[: len(a)], ranks[len(a) :], permutation_seed))


def ranks_of(values: Floats) -> Floats:
    """The ranks of `values` [n], from 1; equal ones have the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def permutation(first: Scores, second: Scores, *, paired: bool, permutation_seed: int) -> MeanTest:
    """Permutation test of the difference of means, which is its statistic: sign flips if paired, shuffled labels otherwise."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2:
        return MeanTest("permutation", None, None)
    if paired:
        p = sign_flip_p(differences_of(a, b), permutation_seed)
    else:
        both = rounded(np.concatenate([a, b]))
        p = label_p(both[: len(a)], both[len(a) :], permutation_seed)
    return MeanTest("permutation", float(a.mean() - b.mean()), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for multiple comparisons (Holm 1979), in the order given.

    The k-th smallest of n is multiplied by n − k + 1; never below the one before, at most 1.

    Valid under any dependence between the tests, and never weaker than Bonferroni's.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in corrected]

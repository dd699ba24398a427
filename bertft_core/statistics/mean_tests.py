"""Tests of whether the scores of one arm are higher than those of another, over the seeds; every p-value is two-sided.

What cannot be computed is None: a t of scores without spread, and any test of fewer than two runs of an arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import stdtr

from bertft_core.statistics.permutations import label_p, sign_flip_p

Floats = NDArray[np.float64]
Scores = Sequence[float] | Floats


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
    found = stats.ttest_1samp(differences, 0.0)
    return MeanTest("paired t", float(found.statistic), float(found.pvalue))


def welch_t(first: Scores, second: Scores) -> MeanTest:
    """t of two groups of unequal spread (Welch 1947)."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2 or not (has_spread(a) or has_spread(b)):
        return MeanTest("Welch t", None, None)
    # by its formula, as scipy warns of lost precision where one arm has no spread
    of_a, of_b = float(np.var(a, ddof=1)) / len(a), float(np.var(b, ddof=1)) / len(b)
    degrees = (of_a + of_b) ** 2 / (of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1))
    t = float(a.mean() - b.mean()) / (of_a + of_b) ** 0.5
    return MeanTest("Welch t", t, float(2 * stdtr(degrees, -abs(t))))


def wilcoxon(first: Scores, second: Scores, permutation_seed: int) -> MeanTest:
    """Signed ranks of the differences, pairs without a difference left out (Wilcoxon 1945); statistic: the positive ranks.

    p is exact, with ties too, for 16 pairs or fewer and sampled above, as in `sign_flip_p`.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    differences = differences_of(a, b)
    differences = _rounded(differences[differences != 0])
    if len(a) < 2:
        return MeanTest("Wilcoxon signed rank", None, None)
    if not len(differences):
        return MeanTest("Wilcoxon signed rank", 0.0, 1.0)
    ranks = stats.rankdata(np.abs(differences))
    p = sign_flip_p(np.sign(differences) * ranks, permutation_seed)
    return MeanTest("Wilcoxon signed rank", float(ranks[differences > 0].sum()), p)


def mann_whitney(first: Scores, second: Scores, permutation_seed: int) -> MeanTest:
    """Mann & Whitney 1947; statistic: U of the first, ties half. p is exact, with ties too, as far as in `label_p`."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2:
        return MeanTest("Mann-Whitney U", None, None)
    ranks = stats.rankdata(_rounded(np.concatenate([a, b])))
    u = float(ranks[: len(a)].sum()) - len(a) * (len(a) + 1) / 2
    return MeanTest("Mann-Whitney U", u, label_p(ranks[: len(a)], ranks[len(a) :], permutation_seed))


def permutation(first: Scores, second: Scores, *, paired: bool, permutation_seed: int) -> MeanTest:
    """Permutation test of the difference of means, its statistic: signs flipped where paired, labels dealt anew otherwise."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2:
        return MeanTest("permutation", None, None)
    if paired:
        p = sign_flip_p(differences_of(a, b), permutation_seed)
    else:
        both = _rounded(np.concatenate([a, b]))
        p = label_p(both[: len(a)], both[len(a) :], permutation_seed)
    return MeanTest("permutation", float(a.mean() - b.mean()), p)


def has_spread(values: Floats, at: float | None = None) -> bool:
    """Whether values differ by more than rounding at their size, or at that of what they are differences of."""
    return bool(np.ptp(values) > 1e-12 * (float(np.abs(values).max()) if at is None else at))


def differences_of(first: Scores, second: Scores) -> Floats:
    """first − second, broadcast; exactly 0 where it is rounding at the size of the scores, as in 0.3 − (0.1 + 0.2)."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return np.where(np.abs(a - b) > 1e-12 * largest_of(a, b), a - b, 0.0)


def largest_of(first: Scores, second: Scores) -> float:
    """The largest size of a score, by which rounding is told."""
    return float(max(np.abs(np.asarray(first)).max(initial=0.0), np.abs(np.asarray(second)).max(initial=0.0)))


def _rounded(values: Floats) -> Floats:
    """To 12 digits of the largest, so that 0.3 − 0.2 and 0.2 − 0.1 are tied."""
    largest = float(np.abs(values).max(initial=0.0))
    return values if largest == 0 else np.round(values, 12 - int(np.ceil(np.log10(largest))))

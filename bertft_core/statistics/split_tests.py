"""Tests over repeated splits of whether one arm scores higher than another, and which of them decides.

Both arms have the same runs on the same splits. Where runs of one arm are missing, leave out those of the other.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from scipy.special import fdtrc

from bertft_core.statistics.mean_tests import MeanTest
from bertft_core.statistics.repeated_splits import split_mean, split_scores
from bertft_core.statistics.rounding import Scores, differences_of, has_spread, largest_of
from bertft_core.statistics.shared_by_runs import Splits

SplitTest = Literal["corrected resampled t", "5x2cv F"]
FOLDS, REPEATS = 2, 5
"""Of Alpaydın's test, whose degrees of freedom hold for these alone."""


def fitting_tests(splits: Splits) -> tuple[SplitTest, ...]:
    """Which tests fit a design: the corrected t always, the F test for five complete repeats of two folds."""
    is_five_by_two = (splits.folds, splits.repeats) == (FOLDS, REPEATS) and splits.is_complete
    return ("corrected resampled t", "5x2cv F") if is_five_by_two else ("corrected resampled t",)


def split_tests(first: Scores, second: Scores, splits: Splits) -> tuple[MeanTest, ...]:
    """The tests that fit, of two arms' scores [runs]."""
    return tuple(TESTS[name](first, second, splits) for name in fitting_tests(splits))


def deciding(tests: Sequence[MeanTest]) -> MeanTest | None:
    """The test with the largest p-value; None where none has one.

    The F test alone cannot decide: in simulations it calls 5 to 10 % of equal arms different, the corrected t 1 to 5 %
    (tests/unit/test_repeated_splits_simulations.py).
    """
    return max((test for test in tests if test.p is not None), key=lambda test: test.p or 0.0, default=None)


def corrected_t(first: Scores, second: Scores, splits: Splits) -> MeanTest:
    """Corrected resampled t-test with J − 1 degrees of freedom (Nadeau & Bengio 2003; `repeated_splits.split_mean`).

    None for fewer than two splits, and where all splits differ by the same amount.
    """
    found = split_mean(differences_of(first, second), splits, at=largest_of(first, second))
    return MeanTest("corrected resampled t", None, None) if found is None else MeanTest("corrected resampled t", found.t, found.p)


def five_by_two_f(first: Scores, second: Scores, splits: Splits) -> MeanTest:
    """Combined 5×2 cv F test (Alpaydın 1999, Neural Computation 11): F(10, 5) of Σ Σ d² / 2 Σ s².

    d are the ten differences, seeds averaged, and s² = Σ (d − d̄)² of the two folds of a repeat. It has no interval of its own;
    `split_mean` has one. None where the two folds of every repeat differ by the same amount. Raises `ValueError` for a design
    other than two folds and five repeats, or an incomplete one.
    """
    if "5x2cv F" not in fitting_tests(splits):
        raise ValueError(f"needs {REPEATS} complete repeats of {FOLDS} folds, not {splits}")
    differences = split_scores(differences_of(first, second), splits).reshape(REPEATS, FOLDS)
    within = differences - differences.mean(axis=1, keepdims=True)
    if not has_spread(within, at=largest_of(first, second)):
        return MeanTest("5x2cv F", None, None)
    f = float((differences**2).sum() / (2 * (within**2).sum()))
    return MeanTest("5x2cv F", f, float(fdtrc(REPEATS * FOLDS, REPEATS, f)))


TESTS: dict[SplitTest, Callable[[Scores, Scores, Splits], MeanTest]] = {
    "corrected resampled t": corrected_t,
    "5x2cv F": five_by_two_f,
}

"""Is one arm more stable than another? Tests of equal variance over seeds, and the ratio of the standard deviations."""

import numpy as np
from scipy.special import fdtrc, fdtri, stdtr

from bertft_core.statistics.mean_tests import MeanTest
from bertft_core.statistics.rounding import ROUNDING, Scores, has_spread

MIN_RUNS = 5
"""Of each arm, for Brown & Forsythe's test."""


def brown_forsythe(first: Scores, second: Scores) -> MeanTest:
    """F of the distances from each arm's median (Brown & Forsythe 1974): the test to decide by.

    At 0.05 its type I error is 1 to 4 % for normal scores and up to 6 or 7 % where some runs collapse. Undefined for fewer than
    five runs of an arm: with four the error is 6 to 13 %, and with three it never rejects.
    """
    if min(len(first), len(second)) < MIN_RUNS:
        return MeanTest("Brown-Forsythe", None, None)
    return _of_distances("Brown-Forsythe", first, second, "median")


def levene(first: Scores, second: Scores) -> MeanTest:
    """F of the distances from each arm's mean (Levene 1960), as in Mosbach et al. 2021.

    It is too liberal: at 0.05 its type I error is 5 to 9 % for 3 to 10 normal scores and 13 to 18 % for skewed scores of any
    number. Reported because papers report it; decide by Brown & Forsythe's.
    """
    return _of_distances("Levene", first, second, "mean")


def _of_distances(name: str, first: Scores, second: Scores, center: str) -> MeanTest:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2 or not (has_spread(a) or has_spread(b)):
        return MeanTest(name, None, None)
    middle = np.median if center == "median" else np.mean
    largest = float(max(np.abs(a).max(), np.abs(b).max()))
    distances = [np.abs(arm - middle(arm)) for arm in (a, b)]
    if not any(has_spread(of_arm, at=largest) for of_arm in distances):
        return MeanTest(name, None, None)  # in each arm, all scores are equally far from the centre
    means, degrees = [of_arm.mean() for of_arm in distances], len(a) + len(b) - 2
    grand = (len(a) * means[0] + len(b) * means[1]) / (len(a) + len(b))
    between = sum(len(of_arm) * np.square(mean - grand) for of_arm, mean in zip(distances, means, strict=True))
    within = sum(np.square(of_arm - mean).sum() for of_arm, mean in zip(distances, means, strict=True))
    f = float(degrees * between / within)
    return MeanTest(name, f, float(fdtrc(1, degrees, f)))


def pitman_morgan(first: Scores, second: Scores) -> MeanTest:
    """t of the correlation of sums and differences of paired scores (Pitman 1939, Morgan 1939).

    For arms that share seeds: a seed that is good for both does not affect the comparison. Exact for normal pairs; at 0.05 its
    type I error is 13 to 21 % for skewed ones, as when some runs collapse. None for fewer than three pairs.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if len(a) < 3 or not has_spread(a + b) or not has_spread(a - b, at=float(np.abs(a).max() + np.abs(b).max())):
        return MeanTest("Pitman-Morgan", None, None)
    r, degrees = float(np.corrcoef(a + b, a - b)[0, 1]), len(a) - 2
    if 1 - r**2 <= ROUNDING:
        return MeanTest("Pitman-Morgan", None, None)
    t = r * (degrees / (1 - r**2)) ** 0.5
    return MeanTest("Pitman-Morgan", t, float(2 * stdtr(degrees, -abs(t))))


def sd_ratio(first: Scores, second: Scores, level: float = 0.95) -> tuple[float, float, float] | None:
    """sd of the first over that of the second, with its interval from F(n − 1, m − 1) (Fisher 1924): (ratio, low, high).

    Exact for independent normal scores; too narrow for heavy tails, as when some runs collapse, and too wide for
    positively correlated paired arms. None for fewer than two scores or an arm without spread.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(len(a), len(b)) < 2 or not has_spread(a) or not has_spread(b):
        return None
    ratio = float(np.std(a, ddof=1) / np.std(b, ddof=1))
    low, high = (float(fdtri(len(a) - 1, len(b) - 1, tail)) ** 0.5 for tail in (0.5 - level / 2, 0.5 + level / 2))
    return ratio, ratio / high, ratio / low

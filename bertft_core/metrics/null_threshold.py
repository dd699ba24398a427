"""What each threshold on the null odds would score, and which one is best.

The null odds of a question are its null score minus the score of its best candidate; the answer is empty where they exceed
the threshold. Questions with equal odds are answered or left empty together, so a score is attainable only between groups of
equal odds. The official search (`find_best_thresh` of SQuAD 2.0) walks question by question and can report scores inside such
a group that no threshold gives. +inf stands for a question without candidates, which stays empty at every threshold.
"""

import numpy as np

from bertft_core.metrics.precision_recall import Bools, Floats

EQUAL = 1e-9
"""Mean scores closer than this are equal: they are sums of the same numbers in another order."""


def attainable(odds: Floats, answered: Floats, empty: Floats) -> tuple[Floats, Floats]:
    """Thresholds from all empty to all answered [groups + 1], and the mean score at each [groups + 1].

    `odds` [n], `answered` [n] scores of the best candidates, `empty` [n] scores of the empty answer. A threshold lies midway
    between two groups of equal odds, and one below the first and above the last; it is 0 where no question has a candidate.
    """
    open_ = np.isfinite(odds)
    levels, group = np.unique(odds[open_], return_inverse=True)
    gains = np.bincount(group, weights=(answered - empty)[open_], minlength=len(levels))
    means = (empty.sum() + np.append(0.0, np.cumsum(gains))) / len(odds)
    if len(levels) == 0:
        return np.zeros(1), means
    below = np.nextafter(levels[1:], -np.inf)
    between = np.minimum(levels[:-1] + np.diff(levels) / 2, below)
    return np.concatenate([[levels[0] - 1], between, [levels[-1] + 1]]), means


def best_threshold(odds: Floats, answered: Floats, empty: Floats) -> float:
    """The threshold with the best attainable mean score, the one nearest 0 among equals; arguments as in `attainable`."""
    thresholds, means = attainable(odds, answered, empty)
    equal = thresholds[means >= means.max() - EQUAL]
    return float(equal[np.abs(equal).argmin()])


def mean_score(odds: Floats, answered: Floats, empty: Floats, threshold: float) -> float:
    """The mean score at one threshold; arguments as in `attainable`."""
    return float(np.where(odds > threshold, empty, answered).mean())


def official_best(odds: Floats, answered: Floats, has_answer: Bools, has_text: Bools) -> float:
    """The best mean score that the official search reports, attainable or not, [0, 1].

    It starts from all answers empty and walks the questions by rising odds, equal ones in the order of the table: an
    answerable question adds its score, an unanswerable one whose best candidate `has_text` [n] takes one off. The head gives no
    candidate without a visible character, other predictions may. `has_answer` [n].
    """
    steps = np.where(has_answer, answered, -has_text.astype(float))
    steps = steps[np.argsort(odds, kind="stable")]
    return float((~has_answer).sum() + max(0.0, np.cumsum(steps).max())) / len(odds)

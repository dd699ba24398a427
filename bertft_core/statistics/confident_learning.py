"""Which labels are probably wrong: confident learning.

Source: Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels": thresholds and joint of
section 3.1, pruning by noise rate and the ranking by normalised margin of section 3.2, in the details as the authors' `cleanlab`
does them. All functions take the given `labels` [n] in 0 … classes − 1 and `probabilities` [n, classes] of models that did not
train on these examples.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

NEVER = 2.0
"""The threshold of a class without examples: no probability reaches it."""
CLOSE = 1e-6
"""Probabilities that differ by less are equal: means over runs are rounded."""


def class_thresholds(labels: Ints, probabilities: Floats) -> Floats:
    """For each class the mean probability of the label over the examples that have it [classes]."""
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, weights=probabilities[np.arange(len(labels)), labels], minlength=len(counts))
    return np.where(counts > 0, np.maximum(sums / np.maximum(counts, 1), 2 * CLOSE), NEVER)


def confident_joint(labels: Ints, probabilities: Floats) -> NDArray[np.int64]:
    """Counts of [given label, confident class] of the examples with a probability at the threshold of some class.

    Of several such classes the likeliest counts. The diagonal is at least 1.
    """
    n_classes = probabilities.shape[1]
    reached = probabilities >= class_thresholds(labels, probabilities) - CLOSE
    n_reached = reached.sum(axis=1)
    confident = np.where(n_reached > 1, probabilities.argmax(axis=1), reached.argmax(axis=1))
    cells = labels.astype(np.int64) * n_classes + confident
    counts = np.bincount(cells[n_reached > 0], minlength=n_classes**2).reshape(n_classes, n_classes)
    np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
    return counts


def estimated_joint(labels: Ints, probabilities: Floats) -> NDArray[np.int64]:
    """Estimated counts of [given label, true label]: the confident joint, scaled so that each row is as long as its class."""
    joint = confident_joint(labels, probabilities)
    counts = np.bincount(labels, minlength=len(joint))
    return np.array([_rounded(row / row.sum() * n) for row, n in zip(joint, counts, strict=True)])


def wrong_labels(labels: Ints, probabilities: Floats) -> Bools:
    """Which labels are probably wrong [n]: as many as the joint says of each pair of classes, those with the largest margin.

    Never one that is the likeliest class, and never the last example of a class.
    """
    n_classes = probabilities.shape[1]
    of_label, wrong = probabilities[np.arange(len(labels)), labels], np.zeros(len(labels), dtype=bool)
    n_wrong = _without_emptying_a_class(estimated_joint(labels, probabilities))
    for given in range(n_classes):
        rows = np.flatnonzero(labels == given)
        for true in range(n_classes) if len(rows) > 1 else ():
            if true != given and n_wrong[given, true]:
                margins = probabilities[rows, true] - of_label[rows]
                wrong[rows[np.argsort(-margins, kind="stable")[: n_wrong[given, true]]]] = True
    return wrong & (probabilities.max(axis=1) > of_label + CLOSE)


def normalised_margin(labels: Ints, probabilities: Floats) -> Floats:
    """Probability of the label minus that of the likeliest other class [n], in [−1, 1]: the lower, the more doubtful."""
    rows, others = np.arange(len(labels)), np.array(probabilities, dtype=np.float64)
    others[rows, labels] = -np.inf
    return probabilities[rows, labels] - others.max(axis=1)


def _without_emptying_a_class(joint: NDArray[np.int64]) -> NDArray[np.int64]:
    """The joint with at least 1 on its diagonal, taken in equal parts from the other counts of the row."""
    missing = np.maximum(1 - joint.diagonal(), 0)
    n_others = np.maximum(np.count_nonzero(joint, axis=1) - 1, 1)
    return np.maximum(joint - (missing / n_others)[:, None], 0).round().astype(np.int64)


def _rounded(shares: Floats) -> NDArray[np.int64]:
    """Whole numbers with the same sum: the largest remainders are rounded up, of equal ones the last."""
    whole = np.floor(shares + 1e-9)
    n_up = round(float(shares.sum() - whole.sum()))
    whole[np.argsort(shares - whole, kind="stable")[::-1][:n_up]] += 1
    return whole.astype(np.int64)

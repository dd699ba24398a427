"""Agreement of the seeds of one setting on the same examples."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]


def pair_disagreement(answers: Ints) -> Floats:
    """For each of `answers` [units, seeds] (category ids) the share of pairs of seeds that differ, in [0, 1].

    Its mean over units is the mean pairwise disagreement of Du & Nguyen 2023. Raises `ValueError` for fewer than two seeds.
    """
    answers = _checked(answers)
    n_units, n_seeds = answers.shape
    same = np.zeros(n_units, dtype=np.int64)  # ordered pairs, by sorted runs of equal answers
    ordered = np.sort(answers, axis=1)
    length = np.ones(n_units, dtype=np.int64)
    for seed in range(1, n_seeds):
        length = np.where(ordered[:, seed] == ordered[:, seed - 1], length + 1, 1)
        same += 2 * (length - 1)
    return 1 - same / (n_seeds * (n_seeds - 1))


def fleiss_kappa(answers: Ints) -> float | None:
    """(observed − chance agreement)/(1 − chance) of `answers` [units, seeds] (Fleiss 1971).

    Chance is Σ of the squared shares of the categories over all answers. None if all answers are equal, where chance
    agreement is 1. Raises `ValueError` for fewer than two seeds.
    """
    answers = _checked(answers)
    counts = np.unique(answers, return_counts=True)[1]
    if len(counts) < 2:
        return None
    chance = float(((counts / answers.size) ** 2).sum())
    return (1 - float(pair_disagreement(answers).mean()) - chance) / (1 - chance)


def jensen_shannon(probabilities: Iterable[Floats]) -> Floats:
    """Generalised Jensen–Shannon divergence over seeds for each unit, in nats: H(mean) − mean H (Lin 1991), equal weights.

    `probabilities`: for each seed [units, classes], rows that add up to 1. 0 for the same distributions, at most
    ln(min(seeds, classes)). As a measure of instability over seeds: Du & Nguyen 2023. Raises `ValueError` for no seeds.
    """
    total, entropies, n_seeds = np.zeros(()), np.zeros(()), 0
    for given in probabilities:
        given = np.asarray(given, dtype=float)
        total, entropies, n_seeds = total + given, entropies + _entropy(given), n_seeds + 1
    if n_seeds == 0:
        raise ValueError("no seeds")
    return np.maximum(_entropy(total / n_seeds) - entropies / n_seeds, 0.0)


def flips(right: NDArray[np.bool_]) -> Ints:
    """For each unit of `right` [units, seeds] the number of seeds in the minority, right or wrong: 0 if all agree."""
    n_right = np.asarray(right, dtype=bool).sum(axis=1)
    return np.minimum(n_right, right.shape[1] - n_right)


def _entropy(probabilities: Floats) -> Floats:
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return -(probabilities * logs).sum(axis=-1)


def _checked(answers: Ints) -> Ints:
    answers = np.asarray(answers)
    if answers.ndim != 2 or answers.shape[0] < 1 or answers.shape[1] < 2:
        raise ValueError(f"answers of at least two seeds are needed, not {answers.shape}")
    return answers

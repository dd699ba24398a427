"""Oversampling: examples of rare classes are repeated within an epoch.

Source:   Buda, Maki & Mazurowski 2018, "A systematic study of the class imbalance problem in convolutional neural networks".
Touches:  the examples of an epoch, and so its number of steps.
Neutral:  ratio = 0.
Order:    does not matter: stratified_batches orders what this has chosen.
Limits:   every example comes at least once in an epoch; the repeats are drawn for each epoch from the order stream. The
          class of a multi_label example is its set of labels, that of a question whether it has an answer.
"""

import math

import numpy as np

from bertft_core.config.strategy_settings import Oversampling
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: Oversampling) -> None:
    """Repeat examples of rare classes."""
    classes = plan.context.classes
    assert classes is not None
    counts = np.bincount(classes)
    more = n_more(counts, config.ratio)
    if not more.any():
        return
    members = [np.flatnonzero(classes == c) for c in range(len(counts))]

    def pool(rng: np.random.Generator) -> np.ndarray:
        repeats = [_repeats(rng, of_class, int(n)) for of_class, n in zip(members, more, strict=True) if n]
        return np.concatenate([np.arange(len(classes)), *repeats])

    plan.sampling.pool = pool
    plan.sampling.n_pool = len(classes) + int(more.sum())


def n_more(counts: np.ndarray, ratio: float) -> np.ndarray:
    """Repeats [K] that give each class with examples at least `ratio` of the largest one's `counts` [K]."""
    wanted = math.ceil(ratio * counts.max() - 1e-9)
    return np.where(counts > 0, np.maximum(wanted - counts, 0), 0)


def _repeats(rng: np.random.Generator, members: np.ndarray, n: int) -> np.ndarray:
    """n of the members, each as often as the others, give or take one."""
    rounds = [rng.permutation(members) for _ in range(math.ceil(n / len(members)))]
    return np.concatenate(rounds)[:n]

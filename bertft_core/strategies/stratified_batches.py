"""Stratified batches: every batch has about the class proportions of the epoch.

Source:   proportional systematic sampling (Cochran 1977, chapter 8), applied to the order of an epoch.
Touches:  the order of the examples in an epoch.
Neutral:  none; it orders the batches or is absent.
Order:    does not matter: it orders what oversampling has chosen.
Limits:   the count of a class in a batch differs from its share by less than the number of classes. The class of a
          multi_label example is its set of labels, that of a question whether it has an answer.
"""

import numpy as np

from bertft_core.config.strategy_settings import StratifiedBatches
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: StratifiedBatches) -> None:
    """Order the epochs by class."""
    classes = plan.context.classes
    assert classes is not None

    def arrange(rng: np.random.Generator, indices: np.ndarray) -> np.ndarray:
        return stratified(rng, indices, classes[indices])

    plan.sampling.arrange = arrange


def stratified(rng: np.random.Generator, indices: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """`indices` [n] shuffled within their `classes` [n], the members of each class spread evenly from a random start."""
    keys = np.empty(len(indices))
    for c in np.unique(classes):
        (members,) = np.nonzero(classes == c)
        keys[rng.permutation(members)] = (np.arange(len(members)) + rng.random()) / len(members)
    return indices[np.argsort(keys, kind="stable")]

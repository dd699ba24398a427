"""The multi-bootstrap over pooled out-of-fold predictions of repeated cross-validation.

In every repeat each example is predicted once, by the model whose fold it is in. Pooled, these predictions have a score on all
examples, also for F1 or Matthews' correlation, whose means over small folds are biased (Forman & Scholz 2010, SIGKDD
Explorations 12). Examples are resampled, and repeats are what seeds are to `multi_bootstrap`. Seeds within a repeat share their
folds, so their scores are averaged first. One source is missing: all models were trained on the same examples. With other
training data they would be other models, which neither resampled examples nor repeats show, and the plain interval of two arms
covers 85 to 97 %. In its place

    V = V(examples) + R · V(together) + max(V(repeats) − V(together), 0),

with R repeats and V(together) the interaction of repeat and example in the mean of R, which `multi_bootstrap` subtracts once.
R · V(together) is how much one repeat's score varies because models trained on other parts of the data answer the same examples
differently. It stands for the variance by the training data, from which it can be estimated without bias from no cross-validation
(Bengio & Grandvalet 2004, Journal of Machine Learning Research 5). This is a heuristic, as Nadeau & Bengio's is; in simulations
it covers 94 to 98 %, for stable and unstable learners, and is narrower than theirs from three repeats on
(tests/unit/test_repeated_splits_simulations.py). With two repeats it is the wider one.
"""

from collections.abc import Sequence

import numpy as np

from bertft_core.statistics.multi_bootstrap import LEVEL, MultiBootstrap, multi_bootstrap
from bertft_core.statistics.resampling import Draws


def pooled_bootstrap(
    first: Draws, second: Draws, repeats: Sequence[int], *, bootstrap_seed: int, level: float = LEVEL
) -> MultiBootstrap | None:
    """Compare the pooled predictions of two arms on one metric.

    Column i of both [columns] is one seed of one repeat, `repeats[i]`, with a prediction of every example. In the result "seeds"
    are repeats. None for fewer than two repeats: one says nothing about other models. Raises `ValueError` as `multi_bootstrap`.
    """
    if len(set(repeats)) < 2:
        return None
    first, second = in_repeats(first, repeats), in_repeats(second, repeats)
    return multi_bootstrap(first, second, paired=True, bootstrap_seed=bootstrap_seed, level=level, is_pooled=True)


def in_repeats(arm: Draws, repeats: Sequence[int]) -> Draws:
    """Scores averaged over the seeds of each repeat: [repeats] of [columns], in the order of the repeat numbers."""
    if len(repeats) != len(arm.scores):
        raise ValueError(f"{len(arm.scores)} columns cannot be those of {len(repeats)} repeats and seeds")
    levels, of_column, n_columns = np.unique(repeats, return_inverse=True, return_counts=True)
    weights = (of_column[:, None] == np.arange(len(levels))) / n_columns
    return Draws(arm.scores @ weights, None if arm.resampled is None else np.ascontiguousarray(arm.resampled) @ weights)

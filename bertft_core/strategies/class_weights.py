"""Class weights: the loss of a target is weighted by its class.

Source:   `balanced` n / (K·n_c): King & Zeng 2001, as in scikit-learn. `effective_number` (1−β)/(1−β^n_c), scaled to add up to K:
          Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples".
Touches:  the training loss. Validation, test and the reported validation loss are not weighted.
Neutral:  weights: {} (every label weighs 1).
Order:    does not matter.
Limits:   classes are counted before oversampling, so the two together correct twice. A step's loss is
          divided by the number of targets, not by their weights, so a target weighs the same in every batch. In multi_label the
          weight is that of a positive target of the label; `balanced` there means negatives / positives, and 1 for a label that
          is on in no training example or in all: by the formula the latter would weigh 0 and never be learned.
"""

from dataclasses import replace

import numpy as np
import torch

from bertft_core.config.strategy_settings import ClassWeights
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: ClassWeights) -> None:
    """Weight the labels."""
    labels, counts = plan.context.labels, plan.context.label_counts
    assert counts is not None
    if isinstance(config.weights, dict):
        weights = np.array([config.weights.get(label, 1.0) for label in labels])
    elif config.weights == "effective_number":
        weights = effective_number(counts, config.beta)
    elif plan.context.n_targets_per_label:
        weights = negatives_over_positives(counts, plan.context.n_targets_per_label)
    else:
        weights = balanced(counts)
    if not (weights == 1.0).all():
        plan.losses = replace(plan.losses, class_weights=torch.tensor(weights, dtype=torch.float32))


def balanced(counts: np.ndarray) -> np.ndarray:
    """n / (K · n_c) of counts [K]; a label without training targets has weight 1."""
    return np.where(counts > 0, counts.sum() / (len(counts) * np.maximum(counts, 1)), 1.0)


def negatives_over_positives(counts: np.ndarray, n: int) -> np.ndarray:
    """(n − n_c) / n_c of counts [K] among n examples; a label that is on in none or in all has weight 1."""
    return np.where((counts > 0) & (counts < n), (n - counts) / np.maximum(counts, 1), 1.0)


def effective_number(counts: np.ndarray, beta: float) -> np.ndarray:
    """(1−β)/(1−β^n_c) of counts [K], scaled so that the labels with training targets have a mean weight of 1."""
    weights = np.where(counts > 0, (1.0 - beta) / (1.0 - beta ** np.maximum(counts, 1)), 0.0)
    return np.where(counts > 0, weights * (counts > 0).sum() / weights.sum(), 1.0)

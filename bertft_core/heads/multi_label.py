"""Multi-label classification: each label of a text or a pair of texts is on or off, independently of the others.

Targets are 0 or 1 for each label [n, labels]; each of these cells is one target of the loss.
"""

import numpy as np

from bertft_core.heads.head import LabelClasses
from bertft_core.heads.inputs import TokenisedSplit
from bertft_core.heads.pooling import text_head
from bertft_core.loss_shapes import binary_cross_entropy_sum


def _classes(split: TokenisedSplit, n_labels: int) -> LabelClasses:
    """The class of an example is its set of labels."""
    matrix = split.matrix("label")
    _, classes = np.unique(matrix, axis=0, return_inverse=True)
    return LabelClasses(matrix.sum(axis=0).astype(np.int64), classes.ravel().astype(np.int64), len(matrix))


HEAD = text_head(
    lambda split: split.matrix("label"),
    lambda model, logits, targets, shape: binary_cross_entropy_sum(logits, targets.to(logits), shape),
    classes=_classes,
    problem_type="multi_label_classification",
)

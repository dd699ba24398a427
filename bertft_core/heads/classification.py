"""Sequence classification: one label for a text or a pair of texts."""

import numpy as np

from bertft_core.heads.head import LabelClasses
from bertft_core.heads.inputs import TokenisedSplit
from bertft_core.heads.pooling import text_head
from bertft_core.loss_shapes import cross_entropy_sum


def _classes(split: TokenisedSplit, n_labels: int) -> LabelClasses:
    return LabelClasses(np.bincount(split.labels, minlength=n_labels), split.labels.astype(np.int64))


HEAD = text_head(
    lambda split: split.labels,
    lambda model, *given: cross_entropy_sum(*given),
    classes=_classes,
    problem_type="single_label_classification",
)

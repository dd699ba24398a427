"""Multi-label classification: each label of a text or a pair of texts is on or off, independently of the others."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from bertft_core.config.head_settings import MultiLabelHead
from bertft_core.heads.head import LabelClasses
from bertft_core.heads.inputs import Draw, HeadInputs, TokenisedSplit
from bertft_core.heads.loss_shapes import PLAIN, LossShape, binary_cross_entropy_sum, precise
from bertft_core.heads.pooling import aggregated, text_head, text_inputs


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: MultiLabelHead, draw: Draw | None = None
) -> HeadInputs:
    """Targets are 0 or 1 for each label [n, labels]; each of these cells is one target of the loss."""
    return text_inputs(split, indices, config, split.matrix("label")[indices])


def loss_sum(
    model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: MultiLabelHead, shape: LossShape = PLAIN
) -> Tensor:
    """Binary cross-entropy summed over examples and labels, in nats, of logits [windows, labels]. Scalar in fp32."""
    logits = aggregated(precise(logits), inputs, config.aggregate)
    return binary_cross_entropy_sum(logits, torch.from_numpy(inputs.targets).to(logits), shape)


def _classes(split: TokenisedSplit, n_labels: int) -> LabelClasses:
    """The class of an example is its set of labels."""
    matrix = split.matrix("label")
    _, classes = np.unique(matrix, axis=0, return_inverse=True)
    return LabelClasses(matrix.sum(axis=0).astype(np.int64), classes.ravel().astype(np.int64), len(matrix))


HEAD = text_head(head_inputs, loss_sum, classes=_classes, problem_type="multi_label_classification")

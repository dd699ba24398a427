"""Sequence classification: one label for a text or a pair of texts."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from bertft_core.config.head_settings import ClassificationHead
from bertft_core.heads.head import LabelClasses
from bertft_core.heads.inputs import Draw, HeadInputs, TokenisedSplit
from bertft_core.heads.loss_shapes import PLAIN, LossShape, cross_entropy_sum, precise
from bertft_core.heads.pooling import aggregated, text_head, text_inputs


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: ClassificationHead, draw: Draw | None = None
) -> HeadInputs:
    """Targets are the labels [n]."""
    return text_inputs(split, indices, config, split.labels[indices])


def loss_sum(
    model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: ClassificationHead, shape: LossShape = PLAIN
) -> Tensor:
    """Cross-entropy summed over the examples, in nats, of logits [windows, classes]. Scalar in fp32."""
    logits = aggregated(precise(logits), inputs, config.aggregate)
    return cross_entropy_sum(logits, torch.from_numpy(inputs.targets).to(logits.device), shape)


def _classes(split: TokenisedSplit, n_labels: int) -> LabelClasses:
    return LabelClasses(np.bincount(split.labels, minlength=n_labels), split.labels.astype(np.int64))


HEAD = text_head(head_inputs, loss_sum, classes=_classes, problem_type="single_label_classification")

"""Sequence classification: one label for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedModel

from bertft_core.config.head_settings import ClassificationHead
from bertft_core.heads import pooling
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit
from bertft_core.heads.loss_shapes import PLAIN, LossShape, cross_entropy_sum, precise
from bertft_core.records.list_columns import matrix_column

CONSTANT = True
"""The same examples are the same work in every epoch."""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: ClassificationHead) -> PreTrainedModel:
    """`AutoModelForSequenceClassification` with a logit for each label; see `pooling.build`."""
    return pooling.build(encoder_dir, labels, dropout, config.pooling, problem_type="single_label_classification")


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: ClassificationHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading the examples; targets are their labels [n]."""
    return pooling.text_inputs(split, indices, config.pooling, config.aggregate, split.labels[indices])


def own_logits(output: Any) -> Tensor:
    """Logits [windows, classes] of the whole model."""
    return output.logits  # type: ignore[no-any-return]


def head_forward(model: PreTrainedModel, config: ClassificationHead, work: HeadInputs) -> HeadForward | None:
    """See `pooling.head_forward_of`: logits [windows, classes]."""
    return pooling.head_forward_of(model, config.pooling, work)


def loss_sum(
    model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: ClassificationHead, shape: LossShape = PLAIN
) -> Tensor:
    """Cross-entropy summed over the examples, in nats, of logits [windows, classes]. Scalar in fp32."""
    logits = pooling.aggregated(precise(logits), work, config.aggregate)
    return cross_entropy_sum(logits, torch.from_numpy(work.targets).to(logits.device), shape)


def outputs(model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: ClassificationHead) -> list[np.ndarray]:
    """The logits [classes] of each example, float32."""
    return list(pooling.aggregated(logits.float(), work, config.aggregate).cpu().numpy())


def predictions(gold: pa.Table, rows: Sequence[np.ndarray]) -> pa.Table:
    """`gold` (example_id, label) with the logits of each example."""
    return gold.append_column("logits", matrix_column(np.stack(rows)))

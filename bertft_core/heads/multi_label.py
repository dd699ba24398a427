"""Multi-label classification: each label of a text or a pair of texts is on or off, whatever the others are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedModel

from bertft_core.config.head_settings import MultiLabelHead
from bertft_core.heads import pooling
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit
from bertft_core.heads.loss_shapes import PLAIN, LossShape, binary_cross_entropy_sum, precise
from bertft_core.records.list_columns import matrix_column

CONSTANT = True
"""The same examples are the same work in every epoch."""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: MultiLabelHead) -> PreTrainedModel:
    """`AutoModelForSequenceClassification` with a logit for each label; see `pooling.build`."""
    return pooling.build(encoder_dir, labels, dropout, config.pooling, problem_type="multi_label_classification")


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: MultiLabelHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading the examples; targets are 0 or 1 for each label [n, labels], and each of these cells is one target of the loss."""
    targets = split.matrix("label")[indices]
    return pooling.text_inputs(split, indices, config.pooling, config.aggregate, targets, n_targets=targets.size)


def own_logits(output: Any) -> Tensor:
    """Logits [windows, labels] of the whole model."""
    return output.logits  # type: ignore[no-any-return]


def head_forward(model: PreTrainedModel, config: MultiLabelHead, work: HeadInputs) -> HeadForward | None:
    """See `pooling.head_forward_of`: logits [windows, labels]."""
    return pooling.head_forward_of(model, config.pooling, work)


def loss_sum(
    model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: MultiLabelHead, shape: LossShape = PLAIN
) -> Tensor:
    """Binary cross-entropy summed over examples and labels, in nats, of logits [windows, labels]. Scalar in fp32."""
    logits = pooling.aggregated(precise(logits), work, config.aggregate)
    targets = torch.from_numpy(work.targets).to(logits)
    return binary_cross_entropy_sum(logits, targets, shape)


def outputs(model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: MultiLabelHead) -> list[np.ndarray]:
    """The logits [labels] of each example, float32."""
    return list(pooling.aggregated(logits.float(), work, config.aggregate).cpu().numpy())


def predictions(gold: pa.Table, rows: Sequence[np.ndarray]) -> pa.Table:
    """`gold` (example_id, label) with the logits of each example."""
    return gold.append_column("logits", matrix_column(np.stack(rows)))

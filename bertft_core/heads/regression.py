"""Regression: a number for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedModel

from bertft_core.config.head_settings import RegressionHead
from bertft_core.heads import pooling
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit
from bertft_core.heads.loss_shapes import PLAIN, LossShape, precise
from bertft_core.heads.target_scaling import target_std

CONSTANT = True
"""The same examples are the same work in every epoch."""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: RegressionHead) -> PreTrainedModel:
    """`AutoModelForSequenceClassification` with one output, the number itself; see `pooling.build`."""
    return pooling.build(encoder_dir, labels, dropout, config.pooling, problem_type="regression", num_labels=1)


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: RegressionHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading the examples; targets are their numbers [n]."""
    return pooling.text_inputs(split, indices, config.pooling, config.aggregate, split.values("label")[indices])


def own_logits(output: Any) -> Tensor:
    """Outputs [windows, 1] of the whole model."""
    return output.logits  # type: ignore[no-any-return]


def head_forward(model: PreTrainedModel, config: RegressionHead, work: HeadInputs) -> HeadForward | None:
    """See `pooling.head_forward_of`: outputs [windows, 1]."""
    return pooling.head_forward_of(model, config.pooling, work)


def loss_sum(
    model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: RegressionHead, shape: LossShape = PLAIN
) -> Tensor:
    """Squared error summed over the examples, in units of the training targets' variance, of outputs [windows, 1].

    Always to answer the training mean costs 1 for each example. Scalar in fp32. No strategy shapes it.
    """
    predicted = pooling.aggregated(precise(logits), work, config.aggregate)[:, 0]
    errors = (predicted - torch.from_numpy(work.targets).to(predicted)) / target_std(model)
    return errors.square().sum()


def outputs(model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: RegressionHead) -> list[float]:
    """The number of each example."""
    return pooling.aggregated(logits.float(), work, config.aggregate)[:, 0].tolist()  # type: ignore[no-any-return]


def predictions(gold: pa.Table, rows: Sequence[float]) -> pa.Table:
    """`gold` (example_id, label) with the number predicted for each example."""
    return gold.append_column("predicted", pa.array(rows, pa.float32()))

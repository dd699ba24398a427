"""Regression: a number for a text or a pair of texts.

The model learns targets with mean 0 and standard deviation 1, and gives numbers in their own units: the output of the last layer
is multiplied by the standard deviation of the training targets, and their mean is added. A new head answers about 0 and moves by
the learning rate, so targets far from 0 or on another scale would cost it steps that a small training set does not have: on the
bundled `ratings` (1 to 5) two seeds of one setting reached a test Pearson of 0.68 and 0.48 on raw numbers, and 0.78 and 0.79 this
way. A saved model has both factors in its weights, so plain transformers gives numbers in their own units.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bertft_core.config.head_settings import RegressionHead
from bertft_core.heads.inputs import HeadInputs, TokenisedSplit
from bertft_core.heads.pooling import text_head
from bertft_core.heads.window_aggregation import aggregated
from bertft_core.loss_shapes import LossShape, precise


def squared_error_sum(model: PreTrainedModel, outputs: Tensor, targets: Tensor, shape: LossShape) -> Tensor:
    """Summed over the examples, in units of the training targets' variance, of outputs [n, 1] and targets [n].

    Always answering the training mean costs 1 for each example. Scalar in fp32. No strategy shapes it.
    """
    predicted = outputs[:, 0]
    return ((predicted - targets.to(predicted)) / target_std(model)).square().sum()


def outputs(model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: RegressionHead) -> list[float]:
    """The number of each example."""
    return aggregated(logits.float(), inputs.windows_of, config.aggregate)[:, 0].tolist()  # type: ignore[no-any-return]


def predictions(gold: pa.Table, rows: Sequence[float]) -> pa.Table:
    """`gold` (example_id, label) with the number predicted for each example."""
    return gold.append_column("predicted", pa.array(rows, pa.float32()))


def standardise(model: Any, train: TokenisedSplit, config: RegressionHead) -> None:
    """Scale and shift the output of the last layer by the standard deviation and the mean of the training targets.

    A head of the checkpoint gives numbers in their own units already: its last layer is scaled the other way round first.
    """
    targets = train.values("label").astype(np.float64)
    mean, std = float(targets.mean()), float(targets.std()) or 1.0
    last = _last_layer(model)
    if config.init == "checkpoint":
        with torch.no_grad():
            last.weight.div_(std)
            last.bias.sub_(mean).div_(std)
    last.register_forward_hook(lambda layer, inputs, output: precise(output) * std + mean)
    model.target_mean, model.target_std = mean, std


def target_std(model: Any) -> float:
    """Standard deviation of the training targets; 1 for a model that was not standardised."""
    return getattr(model, "target_std", 1.0)


def folded(model: Any) -> dict[str, Tensor]:
    """Name → weights of the last layer with scale and shift multiplied in; empty for a model that was not standardised."""
    if not hasattr(model, "target_std"):
        return {}
    last = _last_layer(model)
    (prefix,) = (name for name, module in model.named_modules() if module is last)
    weight, bias = last.weight.detach().double(), last.bias.detach().double()
    values = {"weight": weight * model.target_std, "bias": bias * model.target_std + model.target_mean}
    return {f"{prefix}.{name}": value.to(last.weight.dtype) for name, value in values.items()}


def _last_layer(model: Any) -> nn.Linear:
    """The only linear layer behind the encoder that has one output and a bias."""
    encoder = {id(module) for module in model.base_model.modules()}
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) and id(module) not in encoder]
    (last,) = (layer for layer in linear if layer.out_features == 1 and layer.bias is not None)
    return last


HEAD = text_head(
    lambda split: split.values("label"),
    squared_error_sum,
    outputs=outputs,
    predictions=predictions,
    take_from_train=standardise,
    problem_type="regression",
    num_labels=RegressionHead.n_outputs,
)

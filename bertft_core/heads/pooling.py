"""From the states of a text's tokens to one vector of logits: what all heads over whole texts share.

`pooler` goes through the layers that the family's own sequence classifier has between the first token and its last linear
layer; `cls` and `mean` go straight to that last layer, with the dropout before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from bertft_core.config import UserError
from bertft_core.config.head_settings import ClassificationHead, MultiLabelHead, RegressionHead
from bertft_core.heads.head import Head, LabelClasses, Outputs, load
from bertft_core.heads.head_parts import HEAD_PARTS, mean_of_runs, parts_of, pools_all_tokens
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit, window_inputs
from bertft_core.heads.window_aggregation import aggregated, first_windows
from bertft_core.heads.window_attention import WindowAttention
from bertft_core.loss_shapes import PLAIN, LossShape, precise
from bertft_core.records.list_columns import matrix_column

TextHeadConfig = ClassificationHead | MultiLabelHead | RegressionHead


def text_head(
    targets: Callable[[TokenisedSplit], np.ndarray],
    loss: Callable[[PreTrainedModel, Tensor, Tensor, LossShape], Tensor],
    *,
    outputs: Outputs | None = None,
    predictions: Callable[[pa.Table, Sequence[Any]], pa.Table] | None = None,
    classes: Callable[[TokenisedSplit, int], LabelClasses] | None = None,
    take_from_train: Callable[[Any, TokenisedSplit, Any], None] | None = None,
    **settings: Any,
) -> Head:
    """A head over whole texts; `settings` go into the config of its model. By default it stores the logits of each example.

    `targets` [n, …] are those of a split, each element a target; `loss` is a scalar in fp32, summed over the targets, of the
    logits [n, k] of the examples.
    """

    def head_inputs(
        split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: TextHeadConfig, draw: Draw | None = None
    ) -> HeadInputs:
        return text_inputs(split, indices, config, targets(split)[indices])

    def loss_sum(
        model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: TextHeadConfig, shape: LossShape = PLAIN
    ) -> Tensor:
        logits = aggregated(precise(logits), inputs.windows_of, config.aggregate)
        return loss(model, logits, torch.from_numpy(inputs.targets).to(logits.device), shape)

    head = Head(
        pipeline="text-classification",
        build=partial(build, **settings),
        head_inputs=head_inputs,
        head_forward=head_forward,
        loss_sum=loss_sum,
        outputs=outputs or logit_rows,
        predictions=predictions or with_logits,
        global_tokens="first",
        keeps_states=True,
        reads_all_tokens=reads_all_tokens,
        take_from_train=take_from_train,
        extra_parts={WindowAttention.name: WindowAttention},
    )
    return head if classes is None else replace(head, classes=classes)


def build(
    encoder_dir: str, labels: Sequence[str], dropout: float | None, config: TextHeadConfig, **settings: Any
) -> PreTrainedModel:
    """`AutoModelForSequenceClassification`; see `head.load`. With `aggregate: attention` it has a `WindowAttention`, drawn after
    the classifier or that of the checkpoint. `UserError` for what it cannot have.
    """
    model = load(AutoModelForSequenceClassification, encoder_dir, dropout, labels, init=config.init, **settings)
    refuse_unknown_family(model.config.model_type, config)
    if config.aggregate == "attention" and config.init == "checkpoint":
        model.window_attention = WindowAttention.load(encoder_dir)
    elif config.aggregate == "attention":
        model.window_attention = WindowAttention(model.config.hidden_size, model.config.initializer_range)
    return model


def logit_rows(model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: TextHeadConfig) -> list[np.ndarray]:
    """The logits [labels] of each example, float32, from those of its windows."""
    return list(aggregated(logits.float(), inputs.windows_of, config.aggregate).cpu().numpy())


def with_logits(gold: pa.Table, rows: Sequence[np.ndarray]) -> pa.Table:
    """`gold` (example_id, label) with the logits of each example."""
    return gold.append_column("logits", matrix_column(np.stack(rows)))


def head_forward(model: Any, config: TextHeadConfig, inputs: HeadInputs) -> HeadForward | None:
    """From states to logits [windows, labels], or None for a family whose parts are unknown (`pooler` only).

    With `aggregate: attention` the score of each window is a last column.
    """
    return window_forward(model, config, inputs.window_lengths)


def window_forward(model: Any, config: TextHeadConfig, window_lengths: np.ndarray) -> HeadForward | None:
    """See `head_forward`."""
    logits_of = pooled_forward(model, config.pooling, window_lengths)
    if logits_of is None or config.aggregate != "attention":
        return logits_of
    reads_all = reads_all_tokens(model, config)

    def logits_and_scores(states: Tensor) -> Tensor:
        of_windows = mean_of_runs(states, window_lengths) if reads_all else states
        return torch.cat([logits_of(states), model.window_attention(of_windows)], dim=1)

    return logits_and_scores


def pooled_forward(model: Any, pooling: str, window_lengths: np.ndarray) -> HeadForward | None:
    """Logits alone; the states are those of all tokens of the windows where `reads_all_tokens`, else of their first."""
    parts = parts_of(model)
    if parts is None:
        return None
    if pooling == "pooler":
        if parts.all_tokens is not None and pools_all_tokens(model):
            all_tokens = parts.all_tokens
            return lambda states: all_tokens(model, states, window_lengths)
        return partial(parts.first_token, model)
    if pooling == "cls":
        return partial(parts.last_layer, model)
    return lambda states: parts.last_layer(model, mean_of_runs(states, window_lengths))


def reads_all_tokens(model: Any, config: TextHeadConfig) -> bool:
    """Whether the head reads every token of a text: with `mean`, or where the model's own pooling does."""
    return config.pooling == "mean" or (config.pooling == "pooler" and pools_all_tokens(model))


def refuse_unknown_family(model_type: str, config: TextHeadConfig) -> None:
    """Raise `UserError` where the head needs the parts of a model whose family is unknown."""
    if model_type in HEAD_PARTS:
        return
    if config.pooling != "pooler":
        setting, code = f"head.pooling: {config.pooling}", "head.pooling-unavailable"
        instead = "head.pooling: pooler, which is the model's own"
    elif config.aggregate == "attention":
        setting, code, instead = "head.aggregate: attention", "head.attention-unavailable", "head.aggregate: mean"
    else:
        return
    raise UserError(
        f"{setting} is not available for encoders of the type '{model_type}'",
        code=code,
        found=model_type,
        expected=f"one of {', '.join(HEAD_PARTS)}",
        hint=f"set {instead}, or choose an encoder of one of these types",
    )


def text_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: TextHeadConfig, targets: np.ndarray
) -> HeadInputs:
    """Reading texts: the first token of every window. Each element of `targets` is a target."""
    inputs = window_inputs(split, indices, positions=None, n_targets=targets.size, targets=targets)
    if config.aggregate == "first" and len(inputs.window_lengths) > len(indices):
        inputs = first_windows(inputs)
    return inputs

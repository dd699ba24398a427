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
        logits = aggregated(precise(logits), inputs, config.aggregate)
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
    )
    return head if classes is None else replace(head, classes=classes)


def build(
    encoder_dir: str, labels: Sequence[str], dropout: float | None, config: TextHeadConfig, **settings: Any
) -> PreTrainedModel:
    """`AutoModelForSequenceClassification`; see `head.load`. `UserError` for a pooling that it cannot have."""
    model = load(AutoModelForSequenceClassification, encoder_dir, dropout, labels, init=config.init, **settings)
    refuse_unknown_family(model.config.model_type, config.pooling)
    return model


def logit_rows(model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: TextHeadConfig) -> list[np.ndarray]:
    """The logits [labels] of each example, float32, from those of its windows."""
    return list(aggregated(logits.float(), inputs, config.aggregate).cpu().numpy())


def with_logits(gold: pa.Table, rows: Sequence[np.ndarray]) -> pa.Table:
    """`gold` (example_id, label) with the logits of each example."""
    return gold.append_column("logits", matrix_column(np.stack(rows)))


def head_forward(model: Any, config: TextHeadConfig, inputs: HeadInputs) -> HeadForward | None:
    """From states to logits [windows, labels], or None for a family whose parts are unknown (`pooler` only)."""
    return pooled_forward(model, config.pooling, inputs.window_lengths)


def pooled_forward(model: Any, pooling: str, window_lengths: np.ndarray) -> HeadForward | None:
    """See `head_forward`; the states are those of all tokens of the windows where `reads_all_tokens`, else of their first."""
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


def refuse_unknown_family(model_type: str, pooling: str) -> None:
    """Raise `UserError` where `pooling` needs the parts of a model whose family is unknown."""
    if pooling != "pooler" and model_type not in HEAD_PARTS:
        raise UserError(
            f"head.pooling: {pooling} is not available for encoders of the type '{model_type}'",
            code="head.pooling-unavailable",
            found=model_type,
            expected=f"one of {', '.join(HEAD_PARTS)}",
            hint="set head.pooling: pooler, which is the model's own, or choose an encoder of one of these types",
        )


def text_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: TextHeadConfig, targets: np.ndarray
) -> HeadInputs:
    """Reading texts: the first token of every window. Each element of `targets` is a target."""
    inputs = window_inputs(split, indices, positions=None, n_targets=targets.size, targets=targets)
    if config.aggregate == "first" and len(inputs.window_lengths) > len(indices):
        inputs = _first_windows(inputs)
    return inputs


def _first_windows(inputs: HeadInputs) -> HeadInputs:
    """Without all windows but the first of each example."""
    kept = np.zeros(len(inputs.window_lengths), bool)
    kept[np.cumsum(inputs.windows_of) - inputs.windows_of] = True
    tokens = np.repeat(kept, inputs.window_lengths)
    return replace(
        inputs,
        input_ids=inputs.input_ids[tokens],
        token_type_ids=None if inputs.token_type_ids is None else inputs.token_type_ids[tokens],
        window_lengths=inputs.window_lengths[kept],
        windows_of=np.ones_like(inputs.windows_of),
    )


def aggregated(logits: Tensor, inputs: HeadInputs, aggregate: str) -> Tensor:
    """Logits of windows [w, k] → logits of examples [n, k]: the mean or the largest of each example's windows."""
    if len(logits) == len(inputs.windows_of):
        return logits
    if aggregate == "max":
        return torch.stack([run.amax(0) for run in logits.split(inputs.windows_of.tolist())])
    return mean_of_runs(logits, inputs.windows_of)

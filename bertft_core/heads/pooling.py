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
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from bertft_core.config import UserError
from bertft_core.config.head_settings import ClassificationHead, MultiLabelHead, RegressionHead
from bertft_core.heads.head import Head, LabelClasses, Outputs, load
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit, window_inputs
from bertft_core.loss_shapes import PLAIN, LossShape, precise
from bertft_core.records.list_columns import matrix_column

TextHeadConfig = ClassificationHead | MultiLabelHead | RegressionHead


def _first_token_head(model: Any, first: Tensor) -> Tensor:
    return model.classifier(first)


def _distilbert(model: Any, first: Tensor) -> Tensor:
    pooled = nn.functional.relu(model.pre_classifier(first[:, 0]))
    return model.classifier(model.dropout(pooled))


def _deberta(model: Any, first: Tensor) -> Tensor:
    return model.classifier(model.dropout(model.pooler(first)))


OWN_POOLING: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bert": lambda model, first: model.classifier(model.dropout(model.bert.pooler(first))),
    "distilbert": _distilbert,
    "roberta": _first_token_head,
    "xlm-roberta": _first_token_head,
    "camembert": _first_token_head,
    "electra": _first_token_head,
    "deberta-v2": _deberta,
}
"""`model_type` → logits [w, k] from the encoder's last hidden state of the first token [w, 1, hidden]."""


def _plain(model: Any, pooled: Tensor) -> Tensor:
    return model.classifier(model.dropout(pooled))


def _within_head(model: Any, pooled: Tensor) -> Tensor:
    return model.classifier.out_proj(model.classifier.dropout(pooled))


LAST_LAYER: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bert": _plain,
    "distilbert": _plain,
    "deberta-v2": _plain,
    "roberta": _within_head,
    "xlm-roberta": _within_head,
    "camembert": _within_head,
    "electra": _within_head,
}
"""`model_type` → logits [w, k] from a pooled vector [w, hidden]."""


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
        keeps_states=True,
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
    """See `head_forward`; with `mean` the states are those of all tokens of the windows, else of their first tokens."""
    model_type = model.config.model_type
    if model_type not in OWN_POOLING:
        return None
    if pooling == "pooler":
        return lambda states: OWN_POOLING[model_type](model, states[:, None])
    last = LAST_LAYER[model_type]
    if pooling == "cls":
        return lambda states: last(model, states)
    return lambda states: last(model, mean_of_runs(states, window_lengths))


def refuse_unknown_family(model_type: str, pooling: str) -> None:
    """Raise `UserError` where `pooling` needs the parts of a model whose family is unknown."""
    if pooling != "pooler" and model_type not in OWN_POOLING:
        raise UserError(
            f"head.pooling: {pooling} is not available for encoders of the type '{model_type}'",
            code="head.pooling-unavailable",
            found=model_type,
            expected=f"one of {', '.join(OWN_POOLING)}",
            hint="set head.pooling: pooler, which is the model's own, or choose an encoder of one of these types",
        )


def text_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: TextHeadConfig, targets: np.ndarray
) -> HeadInputs:
    """Reading texts: the first token of every window, or with `mean` all of its tokens. Each element of `targets` is a target."""
    inputs = window_inputs(split, indices, positions=None, n_targets=targets.size, targets=targets)
    if config.aggregate == "first" and len(inputs.window_lengths) > len(indices):
        inputs = _first_windows(inputs)
    return replace(inputs, positions=np.arange(len(inputs.input_ids))) if config.pooling == "mean" else inputs


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


def mean_of_runs(values: Tensor, lengths: np.ndarray) -> Tensor:
    """[Σ lengths, k] → [len(lengths), k]: the mean of each run of rows."""
    return torch.stack([run.mean(0) for run in values.split(lengths.tolist())])

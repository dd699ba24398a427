"""From the states of a text's word pieces to one vector of logits: what all heads over whole texts share.

`pooler` goes through the layers that the family's own sequence classifier has between the first token and its last linear
layer; `cls` and `mean` go straight to that last layer, with the dropout before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from bertft_core.config import UserError
from bertft_core.heads.encoder_loading import load
from bertft_core.heads.inputs import HeadForward, HeadInputs, TokenisedSplit, window_inputs


def _bert(model: Any, first: Tensor) -> Tensor:
    return model.classifier(model.dropout(model.bert.pooler(first)))


def _first_token_head(model: Any, first: Tensor) -> Tensor:
    return model.classifier(first)


def _distilbert(model: Any, first: Tensor) -> Tensor:
    pooled = nn.functional.relu(model.pre_classifier(first[:, 0]))
    return model.classifier(model.dropout(pooled))


def _deberta(model: Any, first: Tensor) -> Tensor:
    return model.classifier(model.dropout(model.pooler(first)))


OWN_POOLING: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bert": _bert,
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


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, pooling: str, **settings: Any) -> PreTrainedModel:
    """`AutoModelForSequenceClassification` in fp32 on the CPU; see `loading.load`. `UserError` for a pooling it cannot have."""
    model = load(AutoModelForSequenceClassification, encoder_dir, dropout, labels, **settings)
    refuse_unknown_family(model.config.model_type, pooling)
    return model


def head_forward_of(model: Any, pooling: str, work: HeadInputs) -> HeadForward | None:
    """The part of the model behind the encoder, or None for a family whose parts are not known (`pooler` only)."""
    model_type = model.config.model_type
    if model_type not in OWN_POOLING:
        return None
    if pooling == "pooler":
        return lambda states: OWN_POOLING[model_type](model, states[:, None])
    last = LAST_LAYER[model_type]
    if pooling == "cls":
        return lambda states: last(model, states)
    return lambda states: last(model, mean_of_runs(states, work.window_lengths))


def refuse_unknown_family(model_type: str, pooling: str) -> None:
    """Raise `UserError` where `pooling` needs to know the parts of a family that is not known here."""
    if pooling != "pooler" and model_type not in OWN_POOLING:
        raise UserError(
            f"head.pooling: {pooling} is not there for encoders of the type '{model_type}'",
            found=model_type,
            expected=f"one of {', '.join(OWN_POOLING)}",
            hint="use head.pooling=pooler, which is the model's own",
        )


def text_inputs(
    split: TokenisedSplit,
    indices: Sequence[int] | np.ndarray,
    pooling: str,
    aggregate: str,
    targets: np.ndarray,
    n_targets: int | None = None,
) -> HeadInputs:
    """Reading texts: the first token of every window, or with `mean` all of its tokens. Every text is one target by default."""
    n_targets = len(indices) if n_targets is None else n_targets
    work = window_inputs(split, indices, positions=None, n_targets=n_targets, targets=targets)
    if aggregate == "first" and len(work.window_lengths) > len(indices):
        work = _first_windows(work)
    if pooling != "mean":
        return work
    return HeadInputs(**{**vars(work), "positions": np.arange(len(work.input_ids))})


def _first_windows(work: HeadInputs) -> HeadInputs:
    """Only the first window of each example is read at all."""
    firsts = np.concatenate([[0], np.cumsum(work.windows_of)[:-1]])
    kept = np.zeros(len(work.window_lengths), bool)
    kept[firsts] = True
    pieces = np.repeat(kept, work.window_lengths)
    return HeadInputs(
        **{
            **vars(work),
            "input_ids": work.input_ids[pieces],
            "token_type_ids": None if work.token_type_ids is None else work.token_type_ids[pieces],
            "window_lengths": work.window_lengths[kept],
            "windows_of": np.ones_like(work.windows_of),
        }
    )


def aggregated(logits: Tensor, work: HeadInputs, aggregate: str) -> Tensor:
    """Logits of windows [w, k] → logits of examples [n, k]: the mean or the largest of each example's windows."""
    if len(logits) == len(work.windows_of):
        return logits
    if aggregate == "max":
        return torch.stack([run.amax(0) for run in logits.split(work.windows_of.tolist())])
    return mean_of_runs(logits, work.windows_of)


def mean_of_runs(values: Tensor, lengths: np.ndarray) -> Tensor:
    """[Σ lengths, k] → [len(lengths), k]: the mean of each run of rows."""
    return torch.stack([run.mean(0) for run in values.split(lengths.tolist())])

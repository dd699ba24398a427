"""Sequence classification: one label for a text or a pair of texts, from the encoder's first token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None) -> PreTrainedModel:
    """`AutoModelForSequenceClassification` in fp32 on the CPU, its head drawn from torch's global generator.

    `dropout` overrides every dropout of the model; None keeps the checkpoint's.
    """
    config = AutoConfig.from_pretrained(encoder_dir, trust_remote_code=False, local_files_only=True)
    config.id2label = dict(enumerate(labels))  # also sets num_labels
    config.label2id = {label: i for i, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    if dropout is not None:
        _set_dropout(config, dropout)
    return AutoModelForSequenceClassification.from_pretrained(
        encoder_dir,
        config=config,
        dtype=torch.float32,  # the default is the checkpoint's, which may be bf16
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
    )


def _set_dropout(config: Any, value: float) -> None:
    for name, old in config.to_dict().items():
        if "drop" in name and (old is None or isinstance(old, int | float)) and not isinstance(old, bool):
            setattr(config, name, value)


def loss_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy summed over the batch, in nats; `logits` [n, classes], `labels` [n]. Scalar in fp32."""
    return nn.functional.cross_entropy(logits.float(), labels, reduction="sum")


def _bert(model: Any, first: Tensor) -> Tensor:
    return model.classifier(model.dropout(model.bert.pooler(first)))


def _first_token_head(model: Any, first: Tensor) -> Tensor:
    return model.classifier(first)


def _distilbert(model: Any, first: Tensor) -> Tensor:
    pooled = nn.functional.relu(model.pre_classifier(first[:, 0]))
    return model.classifier(model.dropout(pooled))


def _deberta(model: Any, first: Tensor) -> Tensor:
    return model.classifier(model.dropout(model.pooler(first)))


TAILS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bert": _bert,
    "distilbert": _distilbert,
    "roberta": _first_token_head,
    "xlm-roberta": _first_token_head,
    "camembert": _first_token_head,
    "electra": _first_token_head,
    "deberta-v2": _deberta,
}
"""`model_type` → logits [n, classes] from the encoder's last hidden state of the first token [n, 1, hidden]."""

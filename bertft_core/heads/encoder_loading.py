"""Opening the encoder under a fresh head, the same way for every kind of head."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedModel


def load(
    auto_class: Any, encoder_dir: str, dropout: float | None, labels: Sequence[str] = (), **settings: Any
) -> PreTrainedModel:
    """The model of `auto_class` in fp32 on the CPU, its head drawn from torch's global generator.

    `dropout` overrides every dropout of the model; None keeps the checkpoint's. `settings` go into the model's config.
    """
    config = AutoConfig.from_pretrained(encoder_dir, trust_remote_code=False, local_files_only=True)
    if labels:
        config.id2label = dict(enumerate(labels))  # also sets num_labels
        config.label2id = {label: i for i, label in enumerate(labels)}
    for name, value in settings.items():
        setattr(config, name, value)
    if dropout is not None:
        _set_dropout(config, dropout)
    return auto_class.from_pretrained(
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

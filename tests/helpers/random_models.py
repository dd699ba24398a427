"""Random classifiers of every family in float64, inputs for them, and the gradients of what they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification

from bertft_core.heads.inputs import HeadInputs
from tests.helpers.tiny_encoders import OF_KIND, SIZES, SIZES_OF

CPU = torch.device("cpu")
LENGTHS = np.array([3, 40, 1, 17, 40, 2, 9])


def model_of(kind: str, changes: dict[str, Any]) -> Any:
    """A random classifier in float64 without dropout, every weight of which counts."""
    sizes = {"vocab_size": 50, "pad_token_id": 1, "max_position_embeddings": 64, **SIZES_OF.get(kind, SIZES)}
    torch.manual_seed(4)
    model = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(kind, **sizes | {"num_hidden_layers": 3, "n_layers": 3} | OF_KIND.get(kind, {}) | changes)
    )
    for values in model.parameters():
        values.data.add_(torch.randn_like(values), alpha=0.3)
    return model.double().eval()


def inputs_of(model: Any, which: str) -> HeadInputs:
    n_tokens, rng = int(LENGTHS.sum()), np.random.default_rng(2)
    return HeadInputs(
        input_ids=rng.integers(2, 50, n_tokens),
        token_type_ids=rng.integers(0, 2, n_tokens) if getattr(model.config, "type_vocab_size", 1) > 1 else None,
        window_lengths=LENGTHS,
        windows_of=np.ones_like(LENGTHS),
        positions=None if which == "first token" else np.arange(n_tokens),
        n_targets=len(LENGTHS),
        targets=None,
    )


def gradients(model: Any, states: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    torch.manual_seed(3)
    (states * torch.randn_like(states)).sum().backward()
    return {name: values.grad.clone() for name, values in model.named_parameters() if values.grad is not None}

"""Mixout: in training a random share of the inputs of every linear layer sees its starting weights.

Source:   Lee, Cho & Kang 2020, "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language Models".
Touches:  the weights (not the biases) of all linear layers in the training pass; every dropout layer is off.
Neutral:  p = 0.
Order:    does not matter: layers that reinit redraws are mixed with their new start.
Limits:   the mask is drawn from the dropout stream, one per layer and pass over its input neurons. A fresh head has no
          pre-trained weights: it is mixed with zeros, which is dropout (as in the paper), or with its own start (head_target:
          start); the head of masked_lm is mixed with its start. The gradient of the public code is too small by a factor of
          1 − p; this one is exact.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bertft_core.config.strategy_settings import Mixout
from bertft_core.strategies.plan import FinetuningPlan

DROPOUT_SHARES = ("dropout", "attention_dropout")
"""Attributes of modules that drop out by a share of their own, without a dropout layer (ModernBERT, Longformer)."""


def apply(plan: FinetuningPlan, config: Mixout) -> None:
    """Give every linear layer a mixed forward pass, and switch off every dropout layer."""
    if config.p == 0.0:
        return
    encoder = {id(module) for module in plan.encoder.modules()}
    to_zero = config.head_target == "zero" and plan.context.fresh_head
    for module in plan.model.modules():
        if isinstance(module, nn.Linear):
            old = torch.zeros_like(module.weight) if to_zero and id(module) not in encoder else module.weight.detach().clone()
            module.forward = _mixed_forward(module, old, config.p)  # type: ignore[method-assign]
        elif isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in DROPOUT_SHARES:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _mixed_forward(layer: nn.Linear, old: Tensor, p: float) -> Callable[..., Any]:
    def forward(inputs: Tensor) -> Tensor:
        weight = mixed(layer.weight, old, p) if layer.training else layer.weight
        return nn.functional.linear(inputs, weight, layer.bias)

    return forward


def mixed(weight: Tensor, old: Tensor, p: float) -> Tensor:
    """((1-m)·old + m·weight - p·old) / (1-p) with m ~ Bernoulli(1-p) for each input neuron, drawn from torch's generator.

    `weight` and `old` are [outputs, inputs]. The expectation is `weight`, and d mixed / d weight = m / (1-p). p = 1 gives `old`.
    """
    if p == 1.0:
        return old + 0.0 * weight
    keep = torch.bernoulli(torch.full((1, weight.shape[1]), 1.0 - p, dtype=weight.dtype, device=weight.device))
    return old + (keep / (1.0 - p)) * (weight - old)

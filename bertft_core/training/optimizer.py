"""AdamW with the right no-decay groups, and linear warm-up with linear decay to zero."""

from __future__ import annotations

import math

import torch
from torch import nn

from bertft_core.config.training import TrainingConfig
from bertft_core.heads.crf import CRF


def decayed_names(model: nn.Module) -> set[str]:
    """Names of parameters that weight decay applies to: everything but biases, layer norms (Devlin et al. 2019) and the CRF.

    Scores of a CRF are added, as biases are: no activation multiplies them, and decay would make all steps equally likely.
    """
    undecayed = {
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if "LayerNorm" in type(module).__name__ or isinstance(module, CRF)
        for name, _ in module.named_parameters(recurse=False)
    }
    return {name for name, _ in model.named_parameters() if name not in undecayed and not name.endswith("bias")}


def build_optimizer(model: nn.Module, training: TrainingConfig) -> torch.optim.AdamW:
    """AdamW (decoupled decay, bias correction) over what learns, in two groups: decayed and not."""
    decayed = decayed_names(model)
    learning = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for name, p in learning if name in decayed], "weight_decay": training.weight_decay},
        {"params": [p for name, p in learning if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=training.learning_rate,
        betas=(training.adam_beta1, training.adam_beta2),
        eps=training.adam_epsilon,
        fused=True,
    )


def n_warmup_steps(n_steps: int, warmup_ratio: float) -> int:
    """Steps in which the learning rate rises, rounded up as transformers does."""
    return math.ceil(n_steps * warmup_ratio)


def learning_rate_factor(step: int, n_steps: int, n_warmup: int) -> float:
    """Share of the peak learning rate used by the update after `step` updates: 0 ≤ step < n_steps.

    Rises from 0 at step 0 to 1 at step n_warmup, then falls on a line that reaches exactly 0 at n_steps
    (transformers' `get_linear_schedule_with_warmup`).
    """
    if step < n_warmup:
        return step / n_warmup
    return max(0.0, (n_steps - step) / max(1, n_steps - n_warmup))

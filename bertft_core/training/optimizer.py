"""AdamW with its no-decay groups, and learning-rate schedules."""

import math
from collections.abc import Callable

import torch
from torch import nn

from bertft_core.config.training_settings import TrainingConfig
from bertft_core.heads.extra_parts import ExtraPart
from bertft_core.strategies.plan import FinetuningPlan, Groups

NORMS = ("LayerNorm", "RMSNorm")


def decayed_names(model: nn.Module) -> set[str]:
    """Names of parameters that weight decay applies to: everything but biases, layer norms (Devlin et al. 2019) and extra parts
    that say so.
    """
    undecayed = {
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if any(norm in type(module).__name__ for norm in NORMS) or (isinstance(module, ExtraPart) and not module.is_decayed)
        for name, _ in module.named_parameters(recurse=False)
    }
    return {name for name, _ in model.named_parameters() if name not in undecayed and not name.endswith("bias")}


def build_optimizer(plan: FinetuningPlan, training: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW (decoupled decay, bias correction), or what a strategy builds, over the parameters that learn."""
    groups = parameter_groups(plan, training)
    return torch.optim.AdamW(groups, fused=True) if plan.optimizer is None else plan.optimizer(groups)


def parameter_groups(plan: FinetuningPlan, training: TrainingConfig) -> Groups:
    """What learns, decayed parameters first, grouped by the `scale` of their learning rate."""
    decayed = decayed_names(plan.model)
    parts: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for is_decayed in (True, False):
        for name, parameter in plan.learning.items():
            if (name in decayed) == is_decayed:
                parts.setdefault((is_decayed, plan.lr_multipliers.get(name, 1.0)), []).append(parameter)
    return [
        {
            "params": parameters,
            "scale": scale,
            "lr": training.peak_learning_rate * scale,
            "betas": (training.adam_beta1, training.adam_beta2),
            "eps": training.adam_epsilon,
            "weight_decay": training.weight_decay if is_decayed else 0.0,
        }
        for (is_decayed, scale), parameters in parts.items()
    ]


def n_warmup_steps(n_steps: int, warmup_ratio: float) -> int:
    """Steps in which the learning rate rises, rounded up as transformers does."""
    return math.ceil(n_steps * warmup_ratio)


SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "linear": lambda left, total: left / total,
    "cosine": lambda left, total: 0.5 * (1.0 + math.cos(math.pi * (total - left) / total)),
    "constant": lambda left, total: 1.0,
}
"""`training.schedule` → share of the peak learning rate from the steps left and all steps after the warm-up."""


def learning_rate_factor(step: int, n_steps: int, n_warmup: int, schedule: str = "linear") -> float:
    """Share of the peak learning rate used by the update after `step` updates: 0 ≤ step < n_steps.

    Rises from 0 at step 0 to 1 at step n_warmup, then goes as the schedule says; linear and cosine reach exactly 0 at n_steps
    (transformers' `get_linear_schedule_with_warmup` and `get_cosine_schedule_with_warmup`).
    """
    if step < n_warmup:
        return step / n_warmup
    return SCHEDULES[schedule](max(0, n_steps - step), max(1, n_steps - n_warmup))

"""Focal loss: targets that the model already gets right count less.

Source:   Lin et al. 2017, "Focal Loss for Dense Object Detection": −(1−p)^γ · log p for the probability p of the right answer.
Touches:  the training loss. The reported validation loss is cross-entropy.
Neutral:  gamma = 0.
Order:    does not matter.
Limits:   without the paper's α, which is class_weights. The loss is still divided by the number of targets, so it is smaller.
"""

from dataclasses import replace

from bertft_core.config.strategy_settings import FocalLoss
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: FocalLoss) -> None:
    """Set the exponent."""
    plan.losses = replace(plan.losses, focal_gamma=config.gamma)

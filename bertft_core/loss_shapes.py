"""How strategies shape a cross-entropy: class weights, focus on hard targets, smoothed labels."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LossShape:
    """What differs from the plain loss."""

    class_weights: Tensor | None = None
    """[labels], float32"""
    focal_gamma: float = 0.0
    label_smoothing: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Nothing differs."""
        return self.class_weights is None and not self.focal_gamma and not self.label_smoothing


PLAIN = LossShape()


def precise(values: Tensor) -> Tensor:
    """At least fp32, also under autocast: every loss is computed in that. Doubles stay doubles."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def cross_entropy_sum(logits: Tensor, targets: Tensor, shape: LossShape) -> Tensor:
    """Summed over the m targets [m], in nats, of logits [m, k]; logits of minus infinity are not among the answers. Scalar.

    With the weight w of a class, ε of smoothing and γ of focus, a target y costs
    (1−p_y)^γ · ((1−ε)·w_y·(−log p_y) + ε/K·Σ_k w_k·(−log p_k)); without focus as torch's `cross_entropy`.
    """
    if shape.is_plain:
        return nn.functional.cross_entropy(logits, targets, reduction="sum")
    log_shares = logits.log_softmax(-1)
    right = log_shares.gather(-1, targets[:, None])[:, 0]
    weights = logits.new_ones(logits.shape[-1]) if shape.class_weights is None else shape.class_weights.to(logits)
    losses = -(1.0 - shape.label_smoothing) * weights[targets] * right
    if shape.label_smoothing:
        real = torch.isfinite(logits)
        spread = (torch.where(real, -log_shares, 0.0) * weights).sum(-1) / real.sum(-1)
        losses = losses + shape.label_smoothing * spread
    return (_focus(right, shape.focal_gamma) * losses).sum()


def binary_cross_entropy_sum(logits: Tensor, targets: Tensor, shape: LossShape) -> Tensor:
    """Summed over all cells, in nats; logits and targets [n, k] of 0 and 1. A class weight applies to its positives. Scalar."""
    if shape.is_plain:
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
    smoothed = (1.0 - shape.label_smoothing) * targets + shape.label_smoothing / 2
    weights = None if shape.class_weights is None else shape.class_weights.to(logits)
    losses = nn.functional.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights, reduction="none")
    right = nn.functional.logsigmoid(torch.where(targets > 0.5, logits, -logits))
    return (_focus(right, shape.focal_gamma) * losses).sum()


def _focus(right: Tensor, gamma: float) -> Tensor | float:
    """(1−p)^γ from log p; kept off zero, where its slope is infinite for γ < 1."""
    return (-torch.expm1(right)).clamp(min=torch.finfo(right.dtype).tiny) ** gamma if gamma else 1.0

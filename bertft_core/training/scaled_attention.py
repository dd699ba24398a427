"""Scaled dot-product attention, past a slow path of torch.

Without dropout torch has a flash kernel for CPUs. The switch that sends matrix products to oneDNN makes it up to nine times as
slow on short texts (16 texts of 48 tokens: 1.1 and 9.9 ms a layer), because its many small products are sent there too.
"""

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bertft_core.training.dropout_masks import DropoutMasks
from bertft_core.training.kernels import current_kernels, kernels_set


def scaled_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    dropout: float,
    scale: float | None,
    masks: DropoutMasks | None = None,
) -> Tensor:
    """As torch's; its flash kernel computes by MKL, or, where a gradient is needed, products are used as with dropout.

    `masks` drop instead of torch, where they are given.
    """
    if masks is not None and dropout:
        scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
        chances = (scores if mask is None else scores + mask).softmax(-1)
        dropped = masks.drawn(tuple(chances.shape), dropout, chances.dtype)
        return (chances if dropped is None else chances * dropped) @ value

    def attended() -> Tensor:
        return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, scale=scale)

    is_slow = not dropout and query.device.type == "cpu" and query.dtype == torch.float32 and current_kernels() == "onednn"
    if not is_slow:
        return attended()
    with sdpa_kernel(SDPBackend.MATH) if torch.is_grad_enabled() and query.requires_grad else kernels_set("mkl"):
        return attended()

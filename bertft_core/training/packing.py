"""A batch without padding: all examples in one row, attention within each example.

Linear layers, which are nearly all of the work, then never see a padding token; only attention is laid out as a rectangle.
The result equals that of a padded batch up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface

IMPLEMENTATION = "bertft_packed"
PACKABLE = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
"""Model types whose attention goes through transformers' `AttentionInterface` with absolute positions only."""


@dataclass(frozen=True)
class Packing:
    """Where the tokens of a packed row (T tokens of n examples, the longest with L) lie."""

    starts: Tensor
    """[n]: first token of each example."""
    positions: Tensor
    """[T]: position of each token within its example."""
    rectangle: Tensor
    """[n · L]: the token at each place of the padded layout; 0 where there is none."""
    places: Tensor
    """[T]: the place of each token in the padded layout."""
    mask: Tensor
    """[n, 1, 1, L]: 0 at tokens, -inf at padding."""

    @classmethod
    def of(cls, lengths: np.ndarray, device: torch.device) -> Packing:
        """The layout of examples with these lengths [n]."""
        longest = int(lengths.max())
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        column = np.arange(longest)
        real = column < lengths[:, None]
        rectangle = np.where(real, starts[:, None] + column, 0)
        mask = np.where(real, 0.0, -np.inf).astype(np.float32)
        return cls(
            starts=torch.from_numpy(starts).to(device),
            positions=torch.from_numpy(np.broadcast_to(column, real.shape)[real]).to(device),
            rectangle=torch.from_numpy(rectangle.ravel()).to(device),
            places=torch.from_numpy(np.flatnonzero(real)).to(device),
            mask=torch.from_numpy(mask)[:, None, None, :].to(device),
        )


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    *,
    packing: Packing,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention within each example; `query`, `key`, `value` are [1, heads, T, head size]."""
    _, n_heads, _, size = query.shape
    n, longest = packing.mask.shape[0], packing.mask.shape[-1]

    def laid_out(packed: Tensor) -> Tensor:
        tokens = packed[0].transpose(0, 1).index_select(0, packing.rectangle)
        return tokens.view(n, longest, n_heads, size).transpose(1, 2)

    attended = nn.functional.scaled_dot_product_attention(
        laid_out(query),
        laid_out(key),
        laid_out(value),
        attn_mask=packing.mask.to(query.dtype),
        dropout_p=dropout,
        scale=scaling,
    )
    tokens = attended.transpose(1, 2).reshape(n * longest, n_heads, size)
    return tokens.index_select(0, packing.places)[None], None


AttentionInterface.register(IMPLEMENTATION, _attention)

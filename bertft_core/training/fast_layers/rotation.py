"""Rotary positions of a packed row (Su et al. 2021): queries and keys of each head, turned by the position of their token."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Rotation(NamedTuple):
    """Cosines and sines of the angles, [rows, size of a head] each; both halves of a head have the same angles."""

    cos: Tensor
    sin: Tensor

    def turned(self, qkv: Tensor, n_heads: int) -> Tensor:
        """Queries, keys and values [rows, 3 · width] with the first two turned."""
        return self._with_turned(qkv, n_heads, back=False)

    def turned_back(self, dqkv: Tensor, n_heads: int) -> Tensor:
        """The gradient before the turn."""
        return self._with_turned(dqkv, n_heads, back=True)

    def _with_turned(self, qkv: Tensor, n_heads: int, *, back: bool) -> Tensor:
        rows, width = qkv.shape[0], qkv.shape[1] // 3
        heads = qkv[:, : 2 * width].view(rows, 2 * n_heads, -1).to(torch.promote_types(qkv.dtype, torch.float32))
        first, second = heads.chunk(2, dim=-1)
        half = torch.cat([second, -first] if back else [-second, first], dim=-1)
        turned = heads * self.cos[:, None] + half * self.sin[:, None]
        return torch.cat([turned.view(rows, 2 * width).to(qkv.dtype), qkv[:, 2 * width :]], dim=1)

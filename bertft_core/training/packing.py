"""A batch without padding: all examples in one row, attention within each example.

Linear layers, where nearly all of the time goes, then never see a padding token; only attention is laid out as a rectangle.
The last layer is computed for first tokens only where a head reads nothing else. The result equals that of a padded batch up to
rounding. How each family computes its layers from a row is in `packed_families`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from bertft_core.training.dropout_masks import DropoutMasks
from bertft_core.training.length_groups import LengthGroup, length_groups
from bertft_core.training.scaled_attention import scaled_attention
from bertft_core.training.uploads import on_device

IMPLEMENTATION = "bertft_packed"


@dataclass(frozen=True)
class Packing:
    """The layout of a packed row: T tokens of n examples, the longest of L tokens."""

    lengths: np.ndarray
    """[n]: tokens of each example."""
    starts: Tensor
    """[n]: first token of each example."""
    positions: Tensor
    """[T]: position of each token within its example."""
    rectangle: Tensor
    """[n · L]: the token at each place of the padded layout; 0 for padding."""
    places: Tensor
    """[T]: the place of each token in the padded layout."""
    mask: Tensor
    """[n, 1, 1, L]: 0 at tokens, -inf at padding."""
    masks: DropoutMasks | None = None
    """What this pass drops; None where nothing is dropped, or torch draws it."""

    @classmethod
    def of(cls, lengths: np.ndarray, device: torch.device, masks: DropoutMasks | None = None) -> Packing:
        """The layout of examples with these lengths [n]."""
        longest = int(lengths.max())
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        column = np.arange(longest)
        real = column < lengths[:, None]
        rectangle = np.where(real, starts[:, None] + column, 0)
        positions = np.broadcast_to(column, real.shape)[real]
        layout = (starts, positions, rectangle.ravel(), np.flatnonzero(real), column, lengths)
        first, position, laid_out, place, columns, ends = on_device(layout, device)
        mask = torch.zeros(real.shape, dtype=torch.float32, device=device).masked_fill(columns >= ends[:, None], -torch.inf)
        return cls(lengths, first, position, laid_out, place, mask[:, None, None, :], masks)

    @cached_property
    def groups(self) -> list[LengthGroup]:
        """The examples by length, for attention that computes less padding."""
        return length_groups(self.lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return self.mask.shape[-1]

    def laid_out(self, tokens: Tensor) -> Tensor:
        """[T, …] → [n, L, …]; padding, whose gradient is 0, repeats the first token."""
        places: Tensor = _Moved.apply(tokens, self.rectangle, self.places, None)
        return places.view(-1, self.longest, *tokens.shape[1:])

    def taken_back(self, rectangle: Tensor) -> Tensor:
        """[n, L, …] → [T, …]."""
        tokens: Tensor = _Moved.apply(rectangle.flatten(0, 1), self.places, self.rectangle, self.mask.flatten() != 0)
        return tokens

    def heads(self, packed: Tensor) -> Tensor:
        """[1, heads, T, size] → [n, heads, L, size]."""
        return self.laid_out(packed[0].transpose(0, 1)).transpose(1, 2)

    def within(self, window: int) -> Tensor:
        """`mask` for tokens that read no further than `window` to each side, [n, 1, 1 or L, L].

        Padding reads all tokens: what a row that reads nothing gives, and its gradient, depends on the kernel and may be NaN.
        """
        if self.longest <= window + 1:
            return self.mask
        column = torch.arange(self.longest, device=self.mask.device)
        far = (column[:, None] - column).abs() > window
        tokens = self.mask.transpose(-1, -2) == 0
        return self.mask.masked_fill(far & tokens, -torch.inf)


class _Moved(torch.autograd.Function):
    """Rows at other places, one to one but for padding: so their gradient is fetched too.

    torch adds up the gradient of a row that is fetched, one by one as several places may have fetched it. To get the same bits
    each time a GPU sorts all places for that.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, there: Tensor, back: Tensor, padding: Tensor | None) -> Tensor:
        """`rows` [R, …] at `there`; `back`: where each of the first rows has gone, `padding` [len(back)]: which are nowhere."""
        ctx.save_for_backward(back, padding)
        ctx.n_rows = len(rows)
        return rows.index_select(0, there)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        back, padding = ctx.saved_tensors
        found = gradient.index_select(0, back)
        if padding is not None:
            found = found.masked_fill_(padding.view(-1, *[1] * (found.ndim - 1)), 0.0)
        return _as_many_rows(found, ctx.n_rows), None, None, None


def attention(
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
    """Scaled dot-product attention within each example; `query`, `key`, `value` are [1, heads, rows, head size].

    Rows past the T tokens, which the layout does not know, read nothing.

    `attention_mask` [n, 1, L, L] is `packing.mask` by default.
    """
    if packing.masks is not None and dropout:
        qkv = torch.cat([each[0].transpose(0, 1) for each in (query, key, value)], dim=1)  # [rows, 3 · heads, size]
        read = masked_attention(qkv, packing, packing.masks, dropout, scaling, attention_mask)
        return _as_many_rows(read, query.shape[2])[None], None
    attended = scaled_attention(
        packing.heads(query),
        packing.heads(key),
        packing.heads(value),
        (packing.mask if attention_mask is None else attention_mask).to(query.dtype),
        dropout=dropout,
        scale=scaling,
    )
    return _as_many_rows(packing.taken_back(attended.transpose(1, 2)), query.shape[2])[None], None


def _as_many_rows(read: Tensor, n_rows: int) -> Tensor:
    """With zeros for the rows that are no tokens."""
    return read if len(read) == n_rows else nn.functional.pad(read, (0, 0) * (read.ndim - 1) + (0, n_rows - len(read)))


def masked_attention(
    qkv: Tensor,
    packing: Packing,
    masks: DropoutMasks,
    dropout: float,
    scaling: float | None,
    reach: Tensor | None,
) -> Tensor:
    """What `fast_layers.attention` computes, by torch's own operations: [T, 3 · heads, size] → [T, heads, size]."""
    parts = []
    for group in packing.groups:
        query, key, value = qkv[group.rectangle].unflatten(0, (group.n, group.longest)).transpose(1, 2).chunk(3, dim=1)
        mask = None if (read := group.mask(reach)) is None else read[:, None].to(query.dtype)
        attended = scaled_attention(query, key, value, mask, dropout=dropout, scale=scaling, masks=masks)
        parts.append(attended.transpose(1, 2).flatten(0, 1)[group.places])
    in_order = torch.cat([group.tokens for group in packing.groups]).argsort()
    return torch.cat(parts)[in_order]


AttentionInterface.register(IMPLEMENTATION, attention)

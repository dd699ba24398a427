"""A batch without padding: all examples in one row, attention within each example.

Linear layers, where nearly all of the time goes, then never see a padding token; only attention is laid out as a rectangle.
The last layer is computed for first tokens only, since a classifier reads nothing else. The result equals that of a padded
batch up to rounding.
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
    """The layout of a packed row: T tokens of n examples, the longest of L tokens."""

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

    attended = nn.functional.scaled_dot_product_attention(
        _laid_out(query, packing),
        _laid_out(key, packing),
        _laid_out(value, packing),
        attn_mask=packing.mask.to(query.dtype),
        dropout_p=dropout,
        scale=scaling,
    )
    tokens = attended.transpose(1, 2).reshape(n * longest, n_heads, size)
    return tokens.index_select(0, packing.places)[None], None


def _laid_out(packed: Tensor, packing: Packing) -> Tensor:
    """[1, heads, T, size] → [n, heads, L, size]."""
    _, n_heads, _, size = packed.shape
    tokens = packed[0].transpose(0, 1).index_select(0, packing.rectangle)
    return tokens.view(packing.mask.shape[0], packing.mask.shape[-1], n_heads, size).transpose(1, 2)


AttentionInterface.register(IMPLEMENTATION, _attention)


def first_token_states(encoder: Any, inputs: dict[str, Tensor], packing: Packing) -> Tensor:
    """The encoder's last hidden state of each example's first token, [n, hidden], from packed `inputs` of [1, T]."""
    hidden = _embedded(encoder, inputs)
    *layers, last = encoder.encoder.layer
    for layer in layers:
        hidden = layer(hidden, packing=packing)
    first = _first_token_attention(last.attention, hidden, packing)
    return last.output(last.intermediate(first), first)[0]


def all_token_states(encoder: Any, inputs: dict[str, Tensor], packing: Packing) -> Tensor:
    """The encoder's last hidden state of every token, [T, hidden], from packed `inputs` of [1, T]."""
    hidden = _embedded(encoder, inputs)
    for layer in encoder.encoder.layer:
        hidden = layer(hidden, packing=packing)
    return hidden[0]


def _embedded(encoder: Any, inputs: dict[str, Tensor]) -> Tensor:
    hidden = encoder.embeddings(**inputs)
    return encoder.embeddings_project(hidden) if hasattr(encoder, "embeddings_project") else hidden  # ELECTRA


def _first_token_attention(attention: Any, hidden: Tensor, packing: Packing) -> Tensor:
    """A layer's attention block for first tokens only: [1, n, hidden] from all tokens [1, T, hidden]."""
    parts = attention.self
    first = hidden.index_select(1, packing.starts)
    heads = (parts.num_attention_heads, parts.attention_head_size)
    query = parts.query(first).view(-1, 1, *heads).transpose(1, 2)
    key = parts.key(hidden).view(1, -1, *heads).transpose(1, 2)
    value = parts.value(hidden).view(1, -1, *heads).transpose(1, 2)
    attended = nn.functional.scaled_dot_product_attention(
        query,
        _laid_out(key, packing),
        _laid_out(value, packing),
        attn_mask=packing.mask.to(query.dtype),
        dropout_p=parts.dropout.p if parts.training else 0.0,
        scale=parts.scaling,
    )
    return attention.output(attended.reshape(1, len(first[0]), -1), first)

"""Attention from a packed row in the families that add something to each pair of tokens by the distance between them.

Their own classes compute it on a rectangle only. Here queries, keys and values come from the row, and these alone are laid out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bertft_core.training.packing import Packing


def mpnet_shared(encoder: Any, embedded: Tensor, packing: Packing) -> Tensor:
    """[n, heads, L, L]: the bias of each distance between tokens, and the mask."""
    return encoder.encoder.compute_position_bias(packing.mask[:1, 0, 0]) + packing.mask


def mpnet_attention(layer: Any, hidden: Tensor, packing: Packing, bias: Tensor) -> Tensor:
    parts, block = layer.attention.attn, layer.attention
    heads = (parts.num_attention_heads, parts.attention_head_size)
    query, key, value = (
        packing.laid_out(of(hidden)[0].unflatten(-1, heads)).transpose(1, 2) for of in (parts.q, parts.k, parts.v)
    )
    scores = query @ key.transpose(-1, -2) / heads[1] ** 0.5 + bias
    attended = (parts.dropout(scores.softmax(-1)) @ value).transpose(1, 2).flatten(-2)
    return block.LayerNorm(block.dropout(parts.o(packing.taken_back(attended)[None])) + hidden)


def deberta_shared(encoder: Any, embedded: Tensor, packing: Packing) -> tuple[Tensor | None, Tensor | None]:
    """The distances between tokens [1, L, L], and the embeddings of distances; None without relative positions."""
    return encoder.encoder.get_rel_pos(packing.mask[0, 0].transpose(0, 1)), encoder.encoder.get_rel_embedding()


def deberta_attention(layer: Any, hidden: Tensor, packing: Packing, shared: tuple[Tensor | None, Tensor | None]) -> Tensor:
    parts, (distances, of_distances) = layer.attention.self, shared
    n_heads = parts.num_attention_heads
    query, key, value = (  # [n · heads, L, size]
        parts.transpose_for_scores(packing.laid_out(of(hidden)[0]), n_heads)
        for of in (parts.query_proj, parts.key_proj, parts.value_proj)
    )
    n_scores = 1 + sum(kind in parts.pos_att_type for kind in ("c2p", "p2c"))
    scale = torch.tensor(query.shape[-1] * n_scores, dtype=torch.float).sqrt().to(query.dtype)  # rounded, as transformers does
    scores = query @ (key.transpose(-1, -2) / scale)
    if parts.relative_attention:
        scores = scores + parts.disentangled_attention_bias(query, key, distances, parts.pos_dropout(of_distances), n_scores)
    chances = (scores.unflatten(0, (-1, n_heads)) + packing.mask.to(scores.dtype)).softmax(-1)
    attended = parts.dropout(chances) @ value.unflatten(0, (-1, n_heads))
    return layer.attention.output(packing.taken_back(attended.transpose(1, 2).flatten(-2))[None], hidden)

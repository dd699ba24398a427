"""How each family of encoders computes its layers from a packed row: one entry for each.

An entry uses the family's own modules, and lays out only what its attention compares. Linear layers see the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from bertft_core.config.encoder_families import FAMILIES
from bertft_core.training import relative_attention
from bertft_core.training.fast_layers.blocks_of import AnyBlock
from bertft_core.training.packing import Packing
from bertft_core.training.scaled_attention import scaled_attention

Layer = Callable[[Any, Tensor, Packing, Any], Tensor]
"""From a layer, states [1, T, hidden], their layout, and what is `shared`, to states."""


class PackedFamily(NamedTuple):
    """The parts of an encoder that reads a packed row."""

    layer: Layer
    """A whole layer: [1, T, hidden]."""
    first_tokens: Layer
    """The last layer for the first token of each example only: [1, n, hidden]."""
    by_interface: bool = True
    """Its attention goes through transformers' `AttentionInterface`."""
    embedded: Callable[[Any, dict[str, Tensor]], Tensor] = lambda encoder, inputs: encoder.embeddings(**inputs)
    shared: Callable[[Any, Tensor, Packing], Any] = lambda encoder, embedded, packing: None
    """What all layers read, from the encoder and its embeddings [1, T, hidden]: positions."""
    end: Callable[[Any, Tensor], Tensor] = lambda encoder, states: states
    """What follows the last layer."""


def packed_states(
    encoder: Any,
    inputs: dict[str, Tensor],
    packing: Packing,
    *,
    first_only: bool,
    by_hand: Mapping[int, AnyBlock] = {},
) -> Tensor:
    """The encoder's last hidden state of every row [rows, hidden], or of each example's first token [n, hidden].

    `inputs` are packed, [1, rows]; rows past the tokens are any. Layers whose `id` is in `by_hand` are computed by it.
    """
    kind = encoder.config.model_type
    family = PACKED_FAMILIES[kind]
    hidden = family.embedded(encoder, inputs)
    shared = family.shared(encoder, hidden, packing)
    layers = list(encoder.get_submodule(FAMILIES[kind].layers))
    for i, layer in enumerate(layers):
        for_first = first_only and i == len(layers) - 1
        block = None if for_first else by_hand.get(id(layer))
        if block is not None and block.is_plain:
            hidden = block(hidden[0], packing, shared)[None]
        else:
            hidden = (family.first_tokens if for_first else family.layer)(layer, hidden, packing, shared)
    return family.end(encoder, hidden)[0]


def _two_steps(attention: Layer, feed_forward: Callable[[Any, Tensor], Tensor], **parts: Any) -> PackedFamily:
    """A family whose layers are attention, then a step that reads no neighbours; both with their residual connections."""

    def layer(layer: Any, hidden: Tensor, packing: Packing, shared: Any) -> Tensor:
        return feed_forward(layer, attention(layer, hidden, packing, shared))

    def first_tokens(layer: Any, hidden: Tensor, packing: Packing, shared: Any) -> Tensor:
        return feed_forward(layer, attention(layer, hidden, packing, shared).index_select(1, packing.starts))

    return PackedFamily(layer, first_tokens, **parts)


def _electra_embedded(encoder: Any, inputs: dict[str, Tensor]) -> Tensor:
    hidden = encoder.embeddings(**inputs)
    return encoder.embeddings_project(hidden) if hasattr(encoder, "embeddings_project") else hidden


def _bert_feed_forward(layer: Any, attended: Tensor) -> Tensor:
    return layer.output(layer.intermediate(attended), attended)


def _bert_first_tokens(layer: Any, hidden: Tensor, packing: Packing, shared: Any) -> Tensor:
    parts = layer.attention.self
    first = hidden.index_select(1, packing.starts)
    heads = (parts.num_attention_heads, parts.attention_head_size)
    query = parts.query(first).view(-1, 1, *heads).transpose(1, 2)
    key = parts.key(hidden).view(1, -1, *heads).transpose(1, 2)
    value = parts.value(hidden).view(1, -1, *heads).transpose(1, 2)
    attended = scaled_attention(
        query,
        packing.heads(key),
        packing.heads(value),
        packing.mask.to(query.dtype),
        dropout=parts.dropout.p if parts.training else 0.0,
        scale=parts.scaling,
        masks=packing.masks,
    )
    return _bert_feed_forward(layer, layer.attention.output(attended.reshape(1, len(first[0]), -1), first))


def _distilbert_attention(layer: Any, hidden: Tensor, packing: Packing, shared: Any) -> Tensor:
    return layer.sa_layer_norm(layer.attention(hidden, packing=packing)[0] + hidden)


def _modernbert_shared(encoder: Any, embedded: Tensor, packing: Packing) -> dict[str, dict[str, Any]]:
    """By the type of a layer: rotations by each token's own position, and which tokens it reads."""
    positions = nn.functional.pad(packing.positions, (0, embedded.shape[1] - len(packing.positions)))
    return {
        kind: {
            "position_embeddings": encoder.rotary_emb(embedded, positions[None], kind),
            "attention_mask": packing.mask if kind == "full_attention" else packing.within(encoder.config.sliding_window),
        }
        for kind in set(encoder.config.layer_types)
    }


def _modernbert_attention(layer: Any, hidden: Tensor, packing: Packing, shared: Any) -> Tensor:
    return hidden + layer.attn(layer.attn_norm(hidden), packing=packing, **shared[layer.attention_type])[0]


_BERT = PackedFamily(lambda layer, hidden, packing, shared: layer(hidden, packing=packing), _bert_first_tokens)
PACKED_FAMILIES: dict[str, PackedFamily] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT._replace(embedded=_electra_embedded),
    "distilbert": _two_steps(
        _distilbert_attention, lambda layer, attended: layer.output_layer_norm(layer.ffn(attended) + attended)
    ),
    "modernbert": _two_steps(
        _modernbert_attention,
        lambda layer, attended: attended + layer.mlp(layer.mlp_norm(attended)),
        embedded=lambda encoder, inputs: encoder.embeddings(inputs["input_ids"]),
        shared=_modernbert_shared,
        end=lambda encoder, states: encoder.final_norm(states),
    ),
    "mpnet": _two_steps(
        relative_attention.mpnet_attention, _bert_feed_forward, by_interface=False, shared=relative_attention.mpnet_shared
    ),
    "deberta-v2": _two_steps(
        relative_attention.deberta_attention, _bert_feed_forward, by_interface=False, shared=relative_attention.deberta_shared
    ),
}
"""`model_type` → how it reads a row, for all types of `PACKED`."""

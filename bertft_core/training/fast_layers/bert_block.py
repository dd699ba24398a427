"""Which modules of a family make a layer, and whether it can be computed by hand as they are now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bertft_core.training.fast_layers.bert_layer import BertLayer, BertProducts, BertShape, BertWeights
from bertft_core.training.fast_layers.operations import Prepared, precision_of
from bertft_core.training.packing import Packing


class LayerParts(NamedTuple):
    """The modules of a layer."""

    linears: tuple[nn.Linear, nn.Linear, nn.Linear, nn.Linear]
    """Query, key, value and output of the attention."""
    norm: nn.LayerNorm
    feed_forward: tuple[nn.Linear, nn.Linear]
    last_norm: nn.LayerNorm
    n_heads: int
    dropouts: tuple[nn.Dropout, nn.Dropout | None, nn.Dropout]
    """Of attention, after attention, and after the feed-forward step."""


def _of_bert(layer: Any) -> LayerParts:
    inner, block, last = layer.attention.self, layer.attention.output, layer.output
    return LayerParts(
        (inner.query, inner.key, inner.value, block.dense),
        block.LayerNorm,
        (layer.intermediate.dense, last.dense),
        last.LayerNorm,
        inner.num_attention_heads,
        (inner.dropout, block.dropout, last.dropout),
    )


def _of_distilbert(layer: Any) -> LayerParts:
    inner, step = layer.attention, layer.ffn
    return LayerParts(
        (inner.q_lin, inner.k_lin, inner.v_lin, inner.out_lin),
        layer.sa_layer_norm,
        (step.lin1, step.lin2),
        layer.output_layer_norm,
        inner.n_heads,
        (inner.dropout, None, step.dropout),
    )


PARTS_OF: dict[str, Callable[[Any], LayerParts]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _of_bert),
    "distilbert": _of_distilbert,
}
"""`model_type` → the parts of a layer, for all families whose layers are like BERT's."""


class BertBlock:
    """A layer that is computed by hand; its weights remain those of the family's module, which strategies change."""

    def __init__(self, parts: LayerParts) -> None:
        self._parts = parts
        query, key, value, output = parts.linears
        self._modules = (query, key, value, output, parts.norm, *parts.feed_forward, parts.last_norm)
        self._prepared = Prepared(BertProducts.of)

    @property
    def is_plain(self) -> bool:
        """No strategy has given a module of it another forward pass: lora, mixout."""
        return not any("forward" in vars(module) for module in self._modules)

    def __call__(self, x: Tensor, packing: Packing, shared: Any) -> Tensor:
        """States [rows, width] → states."""
        weights = BertWeights(*(p for module in self._modules for p in (module.weight, module.bias)))
        dtype = precision_of(x)
        shape = BertShape(
            groups=packing.groups,
            n_heads=self._parts.n_heads,
            epsilons=(self._parts.norm.eps, self._parts.last_norm.eps),
            dropouts=tuple(0.0 if each is None or not each.training else each.p for each in self._parts.dropouts),  # type: ignore[arg-type]
            masks=packing.masks,
            dtype=dtype,
            learns=torch.is_grad_enabled(),
        )
        return BertLayer.apply(x, shape, self._prepared.of(weights, dtype), *weights)  # type: ignore[no-any-return,no-untyped-call]

"""The layers of an encoder as they are computed by hand."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from bertft_core.config.encoder_families import FAMILIES
from bertft_core.training.fast_layers.bert_block import PARTS_OF, BertBlock
from bertft_core.training.fast_layers.modern_layer import ModernBlock
from bertft_core.training.packing import Packing

MODERN = "modernbert"


class AnyBlock(Protocol):
    """A layer; its weights remain those of the family's module, which strategies change."""

    @property
    def is_plain(self) -> bool:
        """No strategy has given a module of it another forward pass: lora, mixout."""

    def __call__(self, x: Tensor, packing: Packing, shared: Any) -> Tensor:
        """States [rows, width] → states; `shared` is what its family's layers share in a pass."""


def blocks_of(encoder: Any) -> dict[int, AnyBlock]:
    """`id` of a layer → the layer; its family must be one that is known here."""
    kind = encoder.config.model_type
    return {id(layer): _block(kind, layer) for layer in encoder.get_submodule(FAMILIES[kind].layers)}


def _block(kind: str, layer: nn.Module) -> AnyBlock:
    return ModernBlock(layer) if kind == MODERN else BertBlock(PARTS_OF[kind](layer))

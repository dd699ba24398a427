"""From examples to logits: packed where the model's family allows it, padded otherwise, from stored features when frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bertft_core.config.training import Precision
from bertft_core.data.batching import collate, evaluation_batches
from bertft_core.data.prepared import PreparedSplit
from bertft_core.heads import HEADS
from bertft_core.training.packing import IMPLEMENTATION, PACKABLE, Packing, first_token_states

EVALUATION_BATCH_SIZE = 64
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Forward:
    """The model's logits [n, classes] for chosen examples of a split, in the precision of the run, trained or evaluated."""

    def __init__(self, model: Any, head: str, device: torch.device, precision: Precision = "fp32") -> None:
        self.model, self.device = model, device
        self._dtype = AUTOCAST.get(precision)
        model_type = model.config.model_type
        self._tail: Callable[[Any, Tensor], Tensor] | None = HEADS[head].TAILS.get(model_type)
        self._packs = self._tail is not None and model_type in PACKABLE
        self._attention = model.config._attn_implementation
        self.use_packed_attention(self._packs)
        self.features: dict[str, Tensor] = {}
        """Split name → first-token states [n, 1, hidden], for an encoder that never changes."""

    def use_packed_attention(self, packed: bool) -> None:
        """Switch the encoder's attention; a model is saved with the one it came with."""
        if self._packs:
            self.model.set_attn_implementation(IMPLEMENTATION if packed else self._attention)

    @property
    def separable(self) -> bool:
        """Encoder and head can be run one after the other."""
        return self._tail is not None

    def logits(self, split: PreparedSplit, indices: np.ndarray) -> Tensor:
        """Logits with gradient, in the order of `indices` [n]."""
        with self._autocast():
            if self._tail is not None and split.name in self.features:
                chosen = torch.from_numpy(indices).to(self.device)
                return self._tail(self.model, self.features[split.name][chosen])
            if self._tail is not None and self._packs:
                return self._tail(self.model, self._packed_states(split, indices))
            return self.model(**self._padded(split, indices)).logits

    def first_token_states(self, split: PreparedSplit, indices: np.ndarray) -> Tensor:
        """The encoder's last hidden state of each example's first token: [n, 1, hidden]."""
        with self._autocast():
            if self._packs:
                return self._packed_states(split, indices)
            return self.model.base_model(**self._padded(split, indices)).last_hidden_state[:, :1]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self._dtype, enabled=self._dtype is not None)

    def _padded(self, split: PreparedSplit, indices: np.ndarray) -> dict[str, Tensor]:
        batch = collate(split, indices, self.model.config.pad_token_id or 0)
        return {name: values.to(self.device) for name, values in batch.items() if name != "labels"}

    def _packed_states(self, split: PreparedSplit, indices: np.ndarray) -> Tensor:
        packing = Packing.of(split.lengths[indices], self.device)
        ids = _row([split.input_ids(i) for i in indices], self.device)
        inputs = {"input_ids": ids, "position_ids": self._first_position() + packing.positions[None]}
        types = [types for i in indices if (types := split.token_type_ids(i)) is not None]
        if types:
            inputs["token_type_ids"] = _row(types, self.device)
        return first_token_states(self.model.base_model, inputs, packing)

    def _first_position(self) -> int:
        """RoBERTa's positions start behind its padding id."""
        embedding = self.model.base_model.embeddings
        padding_index = getattr(embedding, "padding_idx", None)
        return 0 if padding_index is None else padding_index + 1

    @torch.no_grad()
    def evaluate(self, split: PreparedSplit, compute: Callable[..., Tensor] | None = None) -> Tensor:
        """`compute` (default: `logits`) over the whole split, in its order, in batches of alike lengths; fp32 on the CPU."""
        compute = compute or self.logits
        rows: list[Tensor] = []
        order: list[np.ndarray] = []
        self.model.eval()
        for indices in evaluation_batches(split, EVALUATION_BATCH_SIZE):
            rows.append(compute(split, indices).float().cpu())
            order.append(indices)
        return torch.cat(rows)[torch.from_numpy(np.argsort(np.concatenate(order)))]


def _row(parts: list[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))[None].to(device)

"""From examples to logits: packed where the model's family allows it, padded otherwise, from stored features when frozen."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bertft_core.config.encoder_families import batches_of
from bertft_core.config.head_settings import AnyHead
from bertft_core.config.training_settings import Precision
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.batching import evaluation_batches, padded
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.heads import HEADS
from bertft_core.heads.global_attention import with_global_attention
from bertft_core.heads.inputs import Draw, HeadInputs
from bertft_core.heads.window_groups import by_group
from bertft_core.loss_shapes import PLAIN, LossShape
from bertft_core.records.compute import FIRST, Compute
from bertft_core.training import dropout_masks
from bertft_core.training.dropout_masks import DropoutMasks, MaskedDropouts
from bertft_core.training.fast_layers.blocks_of import AnyBlock, blocks_of
from bertft_core.training.microbatching import microbatches_of
from bertft_core.training.packed_families import PACKED_FAMILIES, packed_states
from bertft_core.training.packing import IMPLEMENTATION, Packing
from bertft_core.training.uploads import on_device

EVALUATION_BATCH_SIZE = 64
ROWS = 16
"""A row that is computed by hand is filled up to a multiple of it: libraries know products of a size that they have met."""
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class ModelRunner:
    """The model's logits for chosen examples of a split, in the precision of the run, trained or evaluated."""

    def __init__(
        self,
        model: Any,
        config: AnyHead,
        device: torch.device,
        precision: Precision = "fp32",
        compute: Compute = FIRST,
    ) -> None:
        self.model, self.config, self.device = model, config, device
        self.head = HEADS[config.kind]
        self._reads_all_tokens = self.head.reads_all_tokens(model, config)
        self._dtype = AUTOCAST.get(precision)
        self.batches = batches_of(model.config.to_dict())
        """How texts of different lengths share a batch."""
        self._packs = self.batches == "packed"
        self._attention = model.config._attn_implementation
        self.use_packed_attention(self._packs)
        encoder = model.base_model
        self._by_hand: dict[int, AnyBlock] = blocks_of(encoder) if compute.path == "fast" else {}
        """`id` of a layer → the layer, computed by hand."""
        self._dropouts = MaskedDropouts(encoder) if compute.masks == dropout_masks.VERSION else None
        self.features: dict[str, tuple[Tensor, np.ndarray]] = {}
        """Split name → states [M, hidden] of an encoder that never changes, and where those of each example begin [n + 1]."""

    def use_packed_attention(self, packed: bool) -> None:
        """Switch the attention of the encoder; a model is saved with its original one."""
        if self._packs and PACKED_FAMILIES[self.model.config.model_type].by_interface:
            self.model.set_attn_implementation(IMPLEMENTATION if packed else self._attention)

    def separable(self, split: PreparedSplit) -> bool:
        """Encoder and head can run one after the other, and the encoder always reads the same."""
        return (
            self.head.keeps_states
            and self.head.head_forward(self.model, self.config, self.head_inputs(split, np.array([0]))) is not None
        )

    def head_inputs(self, split: PreparedSplit, indices: np.ndarray, draw: Draw | None = None) -> HeadInputs:
        """The inputs for some examples; `draw` where training makes random choices."""
        inputs = self.head.head_inputs(split, indices, self.config, draw)
        if self._reads_all_tokens:
            return replace(inputs, positions=np.arange(len(inputs.input_ids)))
        return inputs

    def logits(self, split: PreparedSplit, indices: np.ndarray, inputs: HeadInputs | None = None) -> Tensor:
        """The head's logits, with gradient where gradients are on; `inputs` are those of the examples `indices` [n]."""
        inputs = self.head_inputs(split, indices) if inputs is None else inputs
        with self._autocast():
            if split.name in self.features:
                head_forward = self.head.head_forward(self.model, self.config, inputs)
                assert head_forward is not None  # see `separable`
                return head_forward(self._stored_states(split.name, indices))
            return torch.cat([self._microbatch_logits(part, many) for part, many in self.microbatches(inputs)])

    def loss_sum(self, logits: Tensor, inputs: HeadInputs, shape: LossShape = PLAIN) -> Tensor:
        """The head's loss, summed over its targets."""
        return self.head.loss_sum(self.model, logits, inputs, self.config, shape)

    def states(self, inputs: HeadInputs) -> Tensor:
        """The encoder's last hidden states [m, hidden] at the positions of the inputs."""
        with self._autocast():
            if self._packs:
                return self._packed_states(inputs)
            return by_group(self.model, inputs, self._padded_states)

    def _padded_states(self, inputs: HeadInputs) -> Tensor:
        hidden = self.model.base_model(**self._padded(inputs)).last_hidden_state
        if inputs.positions is None:
            return hidden[:, 0]
        return self._real_tokens(hidden, inputs)[self._on_device(inputs.positions)]

    def microbatches(self, inputs: HeadInputs) -> Iterator[tuple[HeadInputs, bool]]:
        """The inputs in parts that fit into the device's memory; see `microbatches_of`."""
        return microbatches_of(inputs, on_gpu=self.device.type == "cuda")

    def _microbatch_logits(self, inputs: HeadInputs, one_of_many: bool) -> Tensor:
        if one_of_many and torch.is_grad_enabled():  # recompute it for its gradient instead of keeping everything
            return checkpoint(self._whole_logits, inputs, use_reentrant=False)  # type: ignore[no-any-return]
        return self._whole_logits(inputs)

    def _whole_logits(self, inputs: HeadInputs) -> Tensor:
        head_forward = self.head.head_forward(self.model, self.config, inputs)
        if head_forward is not None:
            return head_forward(self.states(inputs))
        if self._packs:  # such a head needs the whole model, which does not support packing
            self.use_packed_attention(False)
            self.batches, self._packs = "padded", False
        return by_group(self.model, inputs, self._own_logits)

    def _own_logits(self, inputs: HeadInputs) -> Tensor:
        logits = self.head.own_logits(self.model(**self._padded(inputs)))
        return logits if inputs.positions is None else self._real_tokens(logits, inputs)[self._on_device(inputs.positions)]

    def _stored_states(self, split: str, indices: np.ndarray) -> Tensor:
        states, starts = self.features[split]
        rows = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in indices])
        return states[self._on_device(rows)]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self._dtype, enabled=self._dtype is not None)

    def _padded(self, inputs: HeadInputs) -> dict[str, Tensor]:
        batch = padded(inputs.input_ids, inputs.token_type_ids, inputs.window_lengths, self.model.config.pad_token_id or 0)
        on_device = {name: values.to(self.device) for name, values in batch.items()}
        return with_global_attention(self.model, on_device, self.head.global_tokens)

    def _real_tokens(self, values: Tensor, inputs: HeadInputs) -> Tensor:
        """[w, longest, k] of a padded batch → [T, k] without the padding."""
        columns = np.arange(values.shape[1])
        return values[torch.from_numpy(columns < inputs.window_lengths[:, None]).to(self.device)]

    def _packed_states(self, inputs: HeadInputs) -> Tensor:
        n_tokens = len(inputs.input_ids)
        masks = DropoutMasks(n_tokens) if self._dropouts is not None and self.model.training else None
        packing = Packing.of(inputs.window_lengths, self.device, masks)
        n_rows = -(-n_tokens // ROWS) * ROWS if self._by_hand else n_tokens

        def row(values: Tensor) -> Tensor:
            return nn.functional.pad(values, (0, n_rows - n_tokens))[None]

        given = {"input_ids": inputs.input_ids, "token_type_ids": inputs.token_type_ids, "positions": inputs.positions}
        arrays = {name: values for name, values in given.items() if values is not None}
        read = dict(zip(arrays, on_device(list(arrays.values()), self.device), strict=True))
        positions = read.pop("positions", None)
        packed = {name: row(values) for name, values in read.items()}
        packed["position_ids"] = row(self._first_position() + packing.positions)
        first_only = positions is None
        with contextlib.nullcontext() if self._dropouts is None else self._dropouts.drawing(masks):
            states = packed_states(self.model.base_model, packed, packing, first_only=first_only, by_hand=self._by_hand)
        return states if positions is None else states[positions]

    def _on_device(self, values: np.ndarray) -> Tensor:
        return on_device([values], self.device)[0]

    def _first_position(self) -> int:
        """RoBERTa's positions start after its padding id."""
        embedding = self.model.base_model.embeddings
        padding_index = getattr(embedding, "padding_idx", None)
        return 0 if padding_index is None else padding_index + 1

    def predict(
        self, split: PreparedSplit, losses: list[tuple[float, int]] | None = None, *, new: bool = False
    ) -> pa.Table | None:
        """The predictions of a whole split, or None when they are not finite.

        `losses`, where given, receives the plain loss of every batch, summed over its targets, and their number. `new` examples
        have no targets; their table may hold more.
        """
        head = self.head
        outputs = (head.answer_outputs if new else None) or head.outputs
        predictions = (head.answer_predictions if new else None) or head.predictions

        def compute(split: PreparedSplit, indices: np.ndarray) -> Sequence[Any]:
            inputs = self.head_inputs(split, indices)
            logits = self.logits(split, indices, inputs)
            if not torch.isfinite(logits).all():
                return [None] * len(indices)
            if losses is not None:
                losses.append((float(self.loss_sum(logits, inputs)), inputs.n_targets))
            return outputs(self.model, logits, inputs, self.config)

        rows = self.evaluate(split, compute)
        return None if any(row is None for row in rows) else predictions(ALIGNMENTS[self.config.kind].gold(split), rows)

    @torch.no_grad()
    def evaluate(self, split: PreparedSplit, compute: Callable[[PreparedSplit, np.ndarray], Sequence[Any]]) -> list[Any]:
        """A row for each example of the split, in its order; `compute` gets indices of examples of similar lengths."""
        rows: list[Any] = [None] * split.n
        self.model.eval()
        # Weights are cast once: autocast forgets them when the outermost one ends. What is computed from logits is not autocast.
        with self._autocast(), torch.autocast(self.device.type, enabled=False):
            for indices in evaluation_batches(split, EVALUATION_BATCH_SIZE):
                for i, row in zip(indices, compute(split, indices), strict=True):
                    rows[i] = row
        return rows

"""Masked language modelling: the hidden word pieces of a text, from those around them.

In training each example of each step has masks of its own, from the masking stream; in evaluation those stored with the split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForMaskedLM, PreTrainedModel

from bertft_core.config.head_settings import MaskedLMHead
from bertft_core.heads.encoder_loading import load
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit, window_inputs
from bertft_core.heads.loss_shapes import PLAIN, LossShape, cross_entropy_sum, precise
from bertft_core.masking import Masks, Vocabulary, draw_masks

CONSTANT = False
"""The masks of training change from step to step."""
MAX_LOGITS = 2**25
"""Logits in memory at once (128 MiB): a vocabulary is wide, and a long text has many hidden pieces."""


def _distilbert(model: Any, states: Tensor) -> Tensor:
    return model.vocab_projector(model.vocab_layer_norm(model.activation(model.vocab_transform(states))))  # type: ignore[no-any-return]


def _deberta(model: Any, states: Tensor) -> Tensor:
    if model.legacy:
        return model.cls(states)  # type: ignore[no-any-return]
    return model.lm_predictions(states, model.deberta.embeddings.word_embeddings)  # type: ignore[no-any-return]


VOCABULARY_LAYER: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bert": lambda model, states: model.cls(states),
    "distilbert": _distilbert,
    "roberta": lambda model, states: model.lm_head(states),
    "xlm-roberta": lambda model, states: model.lm_head(states),
    "camembert": lambda model, states: model.lm_head(states),
    "electra": lambda model, states: model.generator_lm_head(model.generator_predictions(states)),
    "deberta-v2": _deberta,
}
"""`model_type` → logits [m, vocabulary] from the encoder's last hidden states [m, hidden]."""


Row = tuple[int, int, float]


class Hidden(NamedTuple):
    """What is to be predicted."""

    pieces: np.ndarray
    """[m]: ids of the hidden word pieces of all examples."""
    n_of: np.ndarray
    """[n]: how many of them each example has."""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: MaskedLMHead) -> PreTrainedModel:
    """`AutoModelForMaskedLM` in fp32 on the CPU; see `loading.load`.

    The vocabulary layer shares its weights with the embeddings. What the checkpoint lacks of the head is drawn anew.
    """
    return load(AutoModelForMaskedLM, encoder_dir, dropout)


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: MaskedLMHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading the examples with some pieces hidden: those that `draw` chooses, or without it those of evaluation."""
    vocabulary = Vocabulary.from_metadata(split.metadata)
    shown, positions, pieces = [], [], []
    start = 0
    for i in indices:
        ids = split.input_ids(i)
        if draw is None:
            masks = Masks(split.ragged("masked", i), split.ragged("shown", i))
        else:
            masks = draw_masks(ids, vocabulary, config.masking_ratio, draw(i))
        seen = ids.copy()
        seen[masks.positions] = masks.shown
        shown.append(seen)
        positions.append(start + masks.positions.astype(np.int64))
        pieces.append(ids[masks.positions])
        start += len(ids)
    n_of = np.array([len(of) for of in pieces], np.int64)
    targets = Hidden(np.concatenate(pieces).astype(np.int64), n_of)
    return window_inputs(
        split,
        indices,
        positions=np.concatenate(positions),
        n_targets=int(n_of.sum()),
        targets=targets,
        input_ids=np.concatenate(shown),
    )


def own_logits(output: Any) -> Tensor:
    """Logits [windows, longest, vocabulary] of the whole model."""
    return output.logits  # type: ignore[no-any-return]


def head_forward(model: PreTrainedModel, config: MaskedLMHead, work: HeadInputs) -> HeadForward | None:
    """The states [m, hidden] as the vocabulary layer wants them; it follows in `logits_of`, slice by slice."""
    return _as_the_layer_reads_them if model.config.model_type in VOCABULARY_LAYER else None


def _as_the_layer_reads_them(states: Tensor) -> Tensor:
    """In the type of autocast, which a linear layer would cast them to; so `logits_of` knows the run's precision."""
    kind = states.device.type
    return states.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else states


def logits_of(model: PreTrainedModel, values: Tensor) -> Tensor:
    """Logits [m, vocabulary] in fp32 from what `Forward.logits` gave: states of a known family, else logits already."""
    layer = VOCABULARY_LAYER.get(model.config.model_type)
    if layer is None:
        return precise(values)
    reduced = values.dtype.itemsize < torch.float32.itemsize
    with torch.autocast(values.device.type, dtype=values.dtype, enabled=reduced):
        return precise(layer(model, values))


def _slices(model: PreTrainedModel, values: Tensor, work: HeadInputs) -> Iterator[tuple[Tensor, Tensor]]:
    """Values and targets of as many pieces as have few enough logits."""
    n_rows = max(1, MAX_LOGITS // model.config.vocab_size)
    targets = torch.from_numpy(work.targets.pieces).to(values.device)
    yield from zip(values.split(n_rows), targets.split(n_rows), strict=True)


def loss_sum(model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: MaskedLMHead, shape: LossShape = PLAIN) -> Tensor:
    """Cross-entropy summed over the hidden pieces, in nats. Scalar in fp32."""

    def slice_loss(values: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy_sum(logits_of(model, values), targets, shape)

    slices = list(_slices(model, logits, work))
    if len(slices) == 1 or not torch.is_grad_enabled():
        return torch.stack([slice_loss(*part) for part in slices]).sum()
    return torch.stack([checkpoint(slice_loss, *part, use_reentrant=False) for part in slices]).sum()


def outputs(model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: MaskedLMHead) -> list[Row | None]:
    """Of each example: how many pieces are hidden, for how many the likeliest answer is right, and the loss summed in nats.

    None for an example whose loss is not finite.
    """
    losses, hits = [], []
    for values, targets in _slices(model, logits, work):
        scores = logits_of(model, values)
        losses.append(nn.functional.cross_entropy(scores, targets, reduction="none").cpu().numpy().astype(np.float64))
        hits.append((scores.argmax(-1) == targets).cpu().numpy())
    ends = np.cumsum(work.targets.n_of)[:-1]
    of_examples = zip(np.split(np.concatenate(losses), ends), np.split(np.concatenate(hits), ends), strict=True)
    rows = ((len(loss), int(hit.sum()), float(loss.sum())) for loss, hit in of_examples)
    return [row if np.isfinite(row[2]) else None for row in rows]


def predictions(gold: pa.Table, rows: Sequence[Row]) -> pa.Table:
    """example_id, n_masked, n_correct and loss."""
    n_masked, n_correct, loss = zip(*rows, strict=True)
    return pa.table(
        {
            "example_id": gold["example_id"],
            "n_masked": pa.array(n_masked, pa.int32()),
            "n_correct": pa.array(n_correct, pa.int32()),
            "loss": pa.array(loss, pa.float64()),
        }
    )

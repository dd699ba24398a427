"""Masked language modelling: the masked tokens of a text, predicted from those around them.

In training each example has its own masks in each step, from the masking stream; in evaluation those stored with the split.

A new vocabulary layer starts from the token frequencies of the training set. Without that the first hundreds of steps are spent
on learning that some tokens are frequent: on the bundled `manuals`, 142 steps at 2e-4 ended at a test loss of 5.68 and 6.56 for
seeds 0 and 2, with it at 5.64 and 6.02; the bare frequencies have 6.06. Only the bias of the layer is set, so plain transformers
opens the saved model as it is; a checkpoint that has such a layer keeps it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForMaskedLM, PreTrainedModel

from bertft_core.config.head_settings import MaskedLMHead
from bertft_core.heads.head import Head, load
from bertft_core.heads.head_parts import parts_of
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit, window_inputs
from bertft_core.loss_shapes import PLAIN, LossShape, cross_entropy_sum, precise
from bertft_core.masking import Masks, Vocabulary, draw_masks
from bertft_core.records.list_columns import ragged_column

MAX_LOGITS = 2**25
"""Logits in memory at once (128 MiB): a vocabulary is wide, and a long text has many masked tokens."""


Row = tuple[int, int, float]


class MaskedTokens(NamedTuple):
    """What is to be predicted."""

    ids: np.ndarray
    """[m]: ids of the masked tokens of all examples."""
    n_of: np.ndarray
    """[n]: how many of them each example has."""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: MaskedLMHead) -> PreTrainedModel:
    """`AutoModelForMaskedLM` in fp32 on the CPU; see `head.load`.

    The vocabulary layer shares its weights with the embeddings. What the checkpoint lacks of the head is drawn at random.
    """
    return load(AutoModelForMaskedLM, encoder_dir, dropout, init=config.init)


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: MaskedLMHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading the examples with some tokens masked: those that `draw` chooses, or without it those stored with the split."""
    vocabulary = Vocabulary.from_metadata(split.metadata)
    shown, positions, masked = [], [], []
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
        masked.append(ids[masks.positions])
        start += len(ids)
    n_of = np.array([len(of) for of in masked], np.int64)
    targets = MaskedTokens(np.concatenate(masked).astype(np.int64), n_of)
    return window_inputs(
        split,
        indices,
        positions=np.concatenate(positions),
        n_targets=int(n_of.sum()),
        targets=targets,
        input_ids=np.concatenate(shown),
    )


def head_forward(model: PreTrainedModel, config: MaskedLMHead, inputs: HeadInputs) -> HeadForward | None:
    """The states [m, hidden] as the vocabulary layer reads them; `logits_of` applies it slice by slice."""
    return None if parts_of(model) is None else _in_autocast_type


def _in_autocast_type(states: Tensor) -> Tensor:
    """Cast as a linear layer under autocast would, so that `logits_of` knows the precision of the run."""
    kind = states.device.type
    return states.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else states


def logits_of(model: PreTrainedModel, values: Tensor) -> Tensor:
    """Logits [m, vocabulary] in fp32 from what `ModelRunner.logits` gave: states of a known family, else logits already."""
    parts = parts_of(model)
    if parts is None:
        return precise(values)
    reduced = values.dtype.itemsize < torch.float32.itemsize
    with torch.autocast(values.device.type, dtype=values.dtype, enabled=reduced):
        return precise(parts.vocabulary(model, values))


def _slices(model: PreTrainedModel, values: Tensor, inputs: HeadInputs) -> Iterator[tuple[Tensor, Tensor]]:
    """Values and targets of as many tokens as `MAX_LOGITS` allows at once."""
    n_rows = max(1, MAX_LOGITS // model.config.vocab_size)
    targets = torch.from_numpy(inputs.targets.ids).to(values.device)
    yield from zip(values.split(n_rows), targets.split(n_rows), strict=True)


def loss_sum(
    model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: MaskedLMHead, shape: LossShape = PLAIN
) -> Tensor:
    """Cross-entropy summed over the masked tokens, in nats. Scalar in fp32."""

    def slice_loss(values: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy_sum(logits_of(model, values), targets, shape)

    slices = list(_slices(model, logits, inputs))
    if len(slices) == 1 or not torch.is_grad_enabled():
        return torch.stack([slice_loss(*part) for part in slices]).sum()
    return torch.stack([checkpoint(slice_loss, *part, use_reentrant=False) for part in slices]).sum()


def outputs(model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: MaskedLMHead) -> list[Row | None]:
    """Of each example: how many tokens are masked, how many of them are predicted right, and the loss summed in nats.

    None for an example whose loss is not finite.
    """
    losses, hits = [], []
    for values, targets in _slices(model, logits, inputs):
        scores = logits_of(model, values)
        losses.append(nn.functional.cross_entropy(scores, targets, reduction="none").cpu().numpy().astype(np.float64))
        hits.append((scores.argmax(-1) == targets).cpu().numpy())
    ends = np.cumsum(inputs.targets.n_of)[:-1]
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


def probabilities(model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: MaskedLMHead) -> list[np.ndarray | None]:
    """The probability of each token of the vocabulary at each mask of an example [masks, vocabulary]."""
    shares = torch.softmax(logits_of(model, logits), dim=-1).cpu().numpy()
    rows = np.split(shares, np.cumsum(inputs.targets.n_of)[:-1])
    return [row if np.isfinite(row).all() else None for row in rows]


@torch.no_grad()
def start_from_frequencies(model: Any, train: TokenisedSplit) -> None:
    """Set the bias of the vocabulary layer to the log of each token's share of the training tokens, one added to every count.

    Nothing happens where the layer has no bias, or one that is not zero everywhere: then it was trained.
    """
    bias = getattr(model.get_output_embeddings(), "bias", None)
    if bias is None or bool(bias.any()):
        return
    counts = np.zeros(len(bias), np.int64)
    for i in range(train.n):
        np.add.at(counts, train.input_ids(i), 1)
    counts[list(Vocabulary.from_metadata(train.metadata).special_ids)] = 0
    shares = (counts + 1) / (counts.sum() + len(counts))
    bias.copy_(torch.from_numpy(np.log(shares)))


HEAD = Head(
    pipeline="fill-mask",
    build=build,
    head_inputs=head_inputs,
    head_forward=head_forward,
    loss_sum=loss_sum,
    outputs=outputs,
    predictions=predictions,
    take_from_train=lambda model, train, config: start_from_frequencies(model, train),
    answer_outputs=probabilities,
    answer_predictions=lambda gold, rows: pa.table({"probabilities": ragged_column(rows)}),
)

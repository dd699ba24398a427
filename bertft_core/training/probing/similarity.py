"""Similarity of the states after each layer before and after fine-tuning, on validation examples.

A text's state is the mean of its tokens (special tokens included), not its first token: after the embeddings the first token
is the same in every text, so there would be nothing to compare. Of a text with several windows the first is read.
"""

from typing import Any

import numpy as np
import torch

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records.probe_record import LayerSimilarity
from bertft_core.training.probing.cka import linear_cka, unbiased_linear_cka
from bertft_core.training.probing.encoders import Absent
from bertft_core.training.probing.probe_batches import batches, inputs_of

FEWEST = 4
"""Examples that unbiased CKA needs."""


def similarity(pretrained: Any, finetuned: Any, split: PreparedSplit, n_texts: int) -> tuple[tuple[LayerSimilarity, ...], int]:
    """Every depth from the embeddings up, and the number of texts read. Raises `Absent` for fewer than 4 texts."""
    indices = spread(split.n, n_texts)
    if len(indices) < FEWEST:
        raise Absent(f"CKA needs {FEWEST} validation examples, found {len(indices)}")
    before, after = (mean_states(encoder, split, indices) for encoder in (pretrained, finetuned))
    return (
        tuple(
            LayerSimilarity(
                where="embeddings" if depth == 0 else f"layer {depth - 1}",
                biased=linear_cka(before[depth], after[depth]),
                unbiased=unbiased_linear_cka(before[depth], after[depth]),
            )
            for depth in range(len(before))
        ),
        len(indices),
    )


def spread(n: int, n_wanted: int) -> np.ndarray:
    """At most `n_wanted` of the positions 0 … n - 1, evenly spread."""
    n_kept = min(n, n_wanted)
    return np.arange(n_kept) * n // max(1, n_kept)


@torch.no_grad()
def mean_states(encoder: Any, split: PreparedSplit, indices: np.ndarray) -> np.ndarray:
    """[L + 1, examples, hidden] in float64: after the embeddings and after each of the L layers."""
    lengths = np.array([split.window_lengths(i)[0] for i in indices], np.int64)
    found: list[np.ndarray] = [np.zeros(0)] * len(indices)
    for rows in batches(lengths):
        ids = [split.input_ids(i)[:length] for i, length in zip(indices[rows], lengths[rows], strict=True)]
        types = [split.token_type_ids(i) for i in indices[rows]]
        cut = [None if row is None else row[:length] for row, length in zip(types, lengths[rows], strict=True)]
        inputs = inputs_of(encoder, ids, cut)
        real = inputs["attention_mask"].double()[:, :, None]
        of_depths = encoder(**inputs, output_hidden_states=True).hidden_states
        means = torch.stack([(states.double() * real).sum(1) / real.sum(1) for states in of_depths]).cpu().numpy()
        for position, row in enumerate(rows):
            found[row] = means[:, position]
    return np.stack(found, axis=1)

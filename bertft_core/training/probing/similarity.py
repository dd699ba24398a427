"""Similarity of the states after each layer before and after fine-tuning, on validation examples.

A text's state is the mean of its tokens (special tokens included), not its first token: after the embeddings the first token
is the same in every text, so there would be nothing to compare. Of a text with several windows the first is read.

The measure is linear centred kernel alignment, which is 1 if two sets of states are equal up to rotation and scale. Source:
Kornblith et al. 2019, section 3 (biased); Song et al. 2012, section 2 and Nguyen et al. 2021, section 2 (unbiased HSIC₁). With
fewer texts than dimensions the biased value is far too high; read the unbiased one.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records.probe_record import LayerSimilarity
from bertft_core.training.probing.encoders import Absent, batches, inputs_of

Floats = NDArray[np.floating]
FEWEST = 4
"""Examples that unbiased CKA needs."""


def similarity(pretrained: Any, finetuned: Any, split: PreparedSplit, n_texts: int) -> tuple[tuple[LayerSimilarity, ...], int]:
    """Every depth from the embeddings up, and the number of texts read. Raises `Absent` for fewer than 4 texts."""
    indices = spread(split.n, n_texts)
    if len(indices) < FEWEST:
        raise Absent("too few texts", n=len(indices), needed=FEWEST)
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


def linear_cka(first: Floats, second: Floats) -> float | None:
    """‖Y'X‖² / (‖X'X‖ ‖Y'Y‖) of columns centred to 0; `first` [n, p] and `second` [n, q]. None where either does not vary."""
    kernels = [_kernel(states - states.mean(axis=0)) for states in (np.float64(first), np.float64(second))]
    return _ratio(float((kernels[0] * kernels[1]).sum()), *(float((kernel * kernel).sum()) for kernel in kernels))


def unbiased_linear_cka(first: Floats, second: Floats) -> float | None:
    """The same from unbiased estimates of HSIC; can be a little under 0. None for fewer than 4 rows and as above."""
    if len(first) < FEWEST:
        return None
    kernels = [_kernel(states - states.mean(axis=0)) for states in (np.float64(first), np.float64(second))]
    return _ratio(hsic(*kernels), hsic(kernels[0], kernels[0]), hsic(kernels[1], kernels[1]))


def hsic(first: Floats, second: Floats) -> float:
    """HSIC₁ of two kernels [n, n], n ≥ 4, without their diagonals:

    [tr(KL) + 1'K1 1'L1 / ((n - 1)(n - 2)) - 2 / (n - 2) 1'KL1] / (n (n - 3)).
    """
    n = len(first)
    k, l = (kernel - np.diag(kernel.diagonal()) for kernel in (first, second))  # noqa: E741
    k_sums, l_sums = k.sum(axis=0), l.sum(axis=0)
    total = (k * l).sum() + k_sums.sum() * l_sums.sum() / ((n - 1) * (n - 2)) - 2 * (k_sums * l_sums).sum() / (n - 2)
    return float(total / (n * (n - 3)))


def _kernel(states: Floats) -> Floats:
    return states @ states.T


def _ratio(both: float, first: float, second: float) -> float | None:
    if first <= 0 or second <= 0 or not math.isfinite(first * second) or first * second == 0:
        return None
    return both / math.sqrt(first * second)

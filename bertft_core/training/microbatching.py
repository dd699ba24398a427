"""Long documents in microbatches that fit into memory: their windows are read a bounded number of tokens at a time."""

from collections.abc import Iterator

import numpy as np

from bertft_core.heads.inputs import HeadInputs

MAX_TOKENS = 2048
"""Tokens of one forward pass where documents have several windows.

Training BERT-base on a CPU, windows of 512 with dropout, keeps 1.6 MB per token for the gradient (attention with dropout keeps
its weights): four windows reached a peak of 5 GB above the model, and several runs share a machine. A microbatch is computed
twice, so a step with several of them takes a third longer than one that fits into memory whole.
"""
MAX_TOKENS_ON_GPU = 16_384
"""The same on a GPU, where a run has the memory to itself and attention keeps less: 32 windows of 512."""


def microbatches_of(inputs: HeadInputs, *, on_gpu: bool = False) -> Iterator[tuple[HeadInputs, bool]]:
    """The inputs in parts of whole windows, and whether there are several; inputs with one window per example stay whole.

    The head reads the logits of all parts together, so the parts have no targets.
    """
    limit = MAX_TOKENS_ON_GPU if on_gpu else MAX_TOKENS
    if len(inputs.window_lengths) == len(inputs.windows_of) or inputs.window_lengths.sum() <= limit:
        yield inputs, False
        return
    ends = np.cumsum(inputs.window_lengths)
    first = 0
    while first < len(ends):
        start = ends[first] - inputs.window_lengths[first]
        last = max(first + 1, int(np.searchsorted(ends, start + limit, side="right")))
        yield _windows(inputs, first, last, int(start), int(ends[last - 1])), True
        first = last


def _windows(inputs: HeadInputs, first: int, last: int, start: int, end: int) -> HeadInputs:
    """Windows first … last - 1, whose tokens are start … end - 1."""
    positions = inputs.positions
    if positions is not None:
        positions = positions[np.searchsorted(positions, start) : np.searchsorted(positions, end)] - start
    return HeadInputs(
        input_ids=inputs.input_ids[start:end],
        token_type_ids=None if inputs.token_type_ids is None else inputs.token_type_ids[start:end],
        window_lengths=inputs.window_lengths[first:last],
        windows_of=np.ones(last - first, np.int64),
        positions=positions,
        n_targets=0,
        targets=None,
    )

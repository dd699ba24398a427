"""Long documents in pieces that fit into memory: their windows are read a bounded number of word pieces at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bertft_core.heads.inputs import HeadInputs

MAX_TOKENS = 2048
"""Word pieces of one forward pass where documents have several windows.

Training BERT-base on a CPU, windows of 512 with dropout, keeps 1.6 MB a piece for the gradient (its attention keeps what it
computed, other attention does not): four windows came to a peak of 5 GB above the model, and many runs share a machine. A chunk
is computed twice, so a step with several chunks takes a third longer than one that fits into memory whole.
"""
MAX_TOKENS_ON_GPU = 16_384
"""The same on a GPU, where one run has a device's memory to itself and its attention keeps less: 32 windows of 512."""


def microbatches_of(inputs: HeadInputs, *, on_gpu: bool = False) -> Iterator[tuple[HeadInputs, bool]]:
    """The inputs in parts of whole windows, and whether there are several; work with one window for each example stays whole.

    The head puts the logits of all parts together, so the parts know nothing of targets.
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
    """Windows first … last - 1, whose word pieces are start … end - 1."""
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

"""Dropout masks with 16 bits for each number, drawn in the order of an encoder's dropout layers.

Both ways to compute an encoder read them, so both drop the same numbers. torch's own masks take a Bernoulli draw for each, which
is a tenth of a step on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

VERSION = 2
"""Of the masks; the first version had torch's own."""
STEPS = 65_536
OF_ATTENTION = ("attention.self.dropout", "attention.dropout")
"""Ends of the names of the modules that hold the share of attention that is dropped."""


class DropoutMasks:
    """The masks of one pass over an encoder, from a seed that torch's generator gives: the dropout stream's.

    A pass that is computed again for its gradient, with the generator as it was, has the same masks.
    """

    def __init__(self, n_tokens: int) -> None:
        self._n_tokens = n_tokens
        self._bits = np.random.SFC64(int(torch.randint(2**63 - 1, ())))

    def drawn(self, shape: tuple[int, ...], p: float, dtype: torch.dtype) -> Tensor | None:
        """Factors of this shape: 0 with probability `p`, rounded to 1 / 65536, else such that the expectation is exactly 1.

        None where nothing is dropped, and nothing is drawn.
        """
        n_dropped = round(p * STEPS)
        if n_dropped == 0:
            return None
        if n_dropped == STEPS:
            return torch.zeros(shape, dtype=dtype)
        n = math.prod(shape)
        # Signed, which torch compares faster than numpy does unsigned.
        bits = torch.from_numpy(self._bits.random_raw(-(-n // 4)).view(np.int16)[:n])
        return (bits >= n_dropped - STEPS // 2).to(dtype).mul_(STEPS / (STEPS - n_dropped)).view(shape)

    def of_rows(self, n_rows: int, width: int, p: float, dtype: torch.dtype) -> Tensor | None:
        """[n_rows, width]; rows that are no tokens, which come last, draw nothing and are 0."""
        n_drawn = min(n_rows, self._n_tokens)
        mask = self.drawn((n_drawn, width), p, dtype)
        if mask is None or n_drawn == n_rows:
            return mask
        return torch.cat([mask, mask.new_zeros(n_rows - n_drawn, width)])


class MaskedDropouts:
    """The dropout layers of an encoder that follow its products, drawing from the masks of the current pass.

    Those of attention are not among them: a layer's attention draws its own.
    """

    def __init__(self, encoder: nn.Module) -> None:
        self._masks: DropoutMasks | None = None
        for name, module in encoder.named_modules():
            if isinstance(module, nn.Dropout) and not name.endswith(OF_ATTENTION):
                module.forward = partial(self._dropped, module)  # type: ignore[method-assign]

    @contextmanager
    def drawing(self, masks: DropoutMasks | None) -> Iterator[None]:
        """Passes inside draw from these masks."""
        self._masks = masks
        try:
            yield
        finally:
            self._masks = None

    def _dropped(self, module: nn.Dropout, states: Tensor) -> Tensor:
        """[1, rows, width], in training."""
        if self._masks is None or not module.training:
            return nn.functional.dropout(states, module.p, module.training)
        mask = self._masks.of_rows(states.shape[1], states.shape[2], module.p, states.dtype)
        return states if mask is None else states * mask

"""Attention over the windows of a document: how much each window counts is learned.

Source:   Yang et al. 2016, "Hierarchical Attention Networks for Document Classification", section 2.2 (equations 8 to 10), with
          windows as Pappagari et al. 2019 cut them: uᵢ = tanh(W hᵢ + b), aᵢ = softmax(c · uᵢ) over the windows of a document.
          hᵢ is the encoder's state of window i: of its first token, or the mean of its tokens where the head reads them all.
Touches:  the logits of a document are Σ aᵢ · logitsᵢ: the last layer is linear, so this is its output for the weighted mean of
          what it reads of the windows. Adds hidden² + 2 hidden parameters, W and c drawn from N(0, initializer_range).
Neutral:  a document of one window, whose weight is 1; and c = 0, which is the mean.
Limits:   a window's score depends on that window alone.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from bertft_core.heads.extra_parts import ExtraPart


class WindowAttention(ExtraPart):
    """Scores of windows from states of `size`; its weights have the standard deviation `std`, from torch's global generator."""

    name = "window_attention"
    title = "attention over windows"

    def __init__(self, size: int, std: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, size)
        self.context = nn.Linear(size, 1, bias=False)
        nn.init.normal_(self.hidden.weight, std=std)
        nn.init.zeros_(self.hidden.bias)
        nn.init.normal_(self.context.weight, std=std)

    @classmethod
    def like(cls, tensors: Mapping[str, Tensor]) -> Self:
        """One for states of the same size."""
        return cls(len(tensors["hidden.bias"]), std=0.0)

    def forward(self, states: Tensor) -> Tensor:
        """States [windows, size] → scores [windows, 1]."""
        return self.context(torch.tanh(self.hidden(states)))  # type: ignore[no-any-return]


def attended(scored: Tensor, windows_of: np.ndarray) -> Tensor:
    """Logits of windows with their scores in the last column [w, k + 1] → logits of documents [n, k] with `windows_of` each."""
    logits, scores = scored[:, :-1], scored[:, -1:]
    if len(logits) == len(windows_of):
        return logits
    runs = zip(logits.split(windows_of.tolist()), scores.split(windows_of.tolist()), strict=True)
    return torch.stack([(of_document.softmax(0) * run).sum(0) for run, of_document in runs])

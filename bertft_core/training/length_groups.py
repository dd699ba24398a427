"""The texts of a batch in groups of similar lengths, each with a rectangle of its own: attention then computes little padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

N_GROUPS = 3
"""Measured on batches of 16 short texts: one group costs a sixth of a step more, eight gain nothing."""


class LengthGroup(NamedTuple):
    """n texts, the longest of L tokens."""

    texts: Tensor
    """[n]: which of the batch they are."""
    longest: int
    rectangle: Tensor
    """[n · L]: the packed row's token at each place; 0 for padding."""
    tokens: Tensor
    """[t]: the row's tokens that are in this group, in the order of their places."""
    places: Tensor
    """[t]: where each of them is in the rectangle."""
    padding: Tensor | None
    """[n, 1, L]: 0 at tokens, -inf at padding; None where there is none."""

    @property
    def n(self) -> int:
        """The number of texts."""
        return len(self.texts)

    def mask(self, of_batch: Tensor | None) -> Tensor | None:
        """What of a mask [N, 1, 1 or longest, longest] over all texts is theirs, [n, 1 or L, L]; by default their padding."""
        return self.padding if of_batch is None else of_batch[self.texts, 0, : self.longest, : self.longest]


def length_groups(lengths: np.ndarray) -> list[LengthGroup]:
    """The groups of a packed row of texts with these lengths [n], shortest texts first."""
    starts = np.cumsum(lengths) - lengths
    by_length = np.argsort(lengths, kind="stable")
    return [_group(texts, lengths[texts], starts[texts]) for texts in np.array_split(by_length, min(N_GROUPS, len(lengths)))]


def _group(texts: np.ndarray, lengths: np.ndarray, starts: np.ndarray) -> LengthGroup:
    column = np.arange(lengths.max())
    real = column < lengths[:, None]
    tokens = starts[:, None] + column
    padding = None if real.all() else torch.from_numpy(np.where(real, 0.0, -np.inf))[:, None]
    return LengthGroup(
        texts=torch.from_numpy(texts),
        longest=len(column),
        rectangle=torch.from_numpy(np.where(real, tokens, 0).ravel()),
        tokens=torch.from_numpy(tokens[real]),
        places=torch.from_numpy(np.flatnonzero(real)),
        padding=padding,
    )

"""Which examples make a batch, and the batch as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bertft_core.data.prepared import PreparedSplit
from bertft_core.seeds import derive_seed

if TYPE_CHECKING:
    import torch


def epoch_order(n: int, order_seed: int, epoch: int) -> np.ndarray:
    """The permutation of n examples in one epoch (from 0), int64; it depends on nothing but its arguments."""
    return np.random.default_rng(derive_seed(order_seed, "epoch", epoch)).permutation(n)


def evaluation_batches(split: PreparedSplit, batch_size: int) -> Iterator[np.ndarray]:
    """Indices of the examples in batches of like length, the longest first so that memory runs out at once or never."""
    order = np.argsort(-split.lengths, kind="stable")
    for start in range(0, split.n, batch_size):
        yield order[start : start + batch_size]


def collate(split: PreparedSplit, indices: Sequence[int] | np.ndarray, pad_token_id: int) -> dict[str, torch.Tensor]:
    """The examples as int64 tensors, padded on the right to the longest: shape (batch, length), labels (batch,).

    Keys: input_ids, attention_mask, labels, and token_type_ids where the model is given them.
    """
    import torch

    shape = (len(indices), int(split.lengths[indices].max()))
    input_ids = np.full(shape, pad_token_id, np.int64)
    attention_mask = np.zeros(shape, np.int64)
    token_type_ids = np.zeros(shape, np.int64) if split.has_token_types else None
    for row, i in enumerate(indices):
        length = split.lengths[i]
        input_ids[row, :length] = split.input_ids(i)
        attention_mask[row, :length] = 1
        if token_type_ids is not None:
            token_type_ids[row, :length] = split.token_type_ids(i)  # type: ignore[assignment]
    batch = {"input_ids": input_ids, "attention_mask": attention_mask, "labels": split.labels[indices]}
    if token_type_ids is not None:
        batch["token_type_ids"] = token_type_ids
    return {name: torch.from_numpy(values) for name, values in batch.items()}

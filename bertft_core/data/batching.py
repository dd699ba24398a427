"""Which examples make a batch, and the batch as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.seeds import derive_seed

if TYPE_CHECKING:
    import torch


Pool = Callable[[np.random.Generator], np.ndarray]
"""Draws the examples of an epoch, possibly with repetitions."""
Arrange = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""Draws the order of the examples of an epoch."""


def epoch_order(n: int, order_seed: int, epoch: int, pool: Pool | None = None, arrange: Arrange | None = None) -> np.ndarray:
    """The examples of one epoch (from 0) in order, int64: a permutation of all n, unless `pool` or `arrange` is given.

    It depends only on its arguments.
    """
    rng = np.random.default_rng(derive_seed(order_seed, "epoch", epoch))
    if pool is None and arrange is None:
        return rng.permutation(n)
    examples = np.arange(n) if pool is None else pool(rng)
    return rng.permutation(examples) if arrange is None else arrange(rng, examples)


def evaluation_batches(split: PreparedSplit, batch_size: int) -> Iterator[np.ndarray]:
    """Indices of the examples in batches of similar length, the longest first so that memory runs out immediately or never."""
    order = np.argsort(-split.lengths, kind="stable")
    for start in range(0, split.n, batch_size):
        yield order[start : start + batch_size]


def padded(
    input_ids: np.ndarray, token_type_ids: np.ndarray | None, lengths: np.ndarray, pad_token_id: int
) -> dict[str, torch.Tensor]:
    """Windows one after another [T] as int64 tensors, padded on the right to the longest: shape (windows, longest).

    Keys: input_ids, attention_mask, and token_type_ids where given.
    """
    import torch

    real = np.arange(int(lengths.max())) < lengths[:, None]
    ids = np.full(real.shape, pad_token_id, np.int64)
    ids[real] = input_ids
    batch = {"input_ids": ids, "attention_mask": real.astype(np.int64)}
    if token_type_ids is not None:
        types = np.zeros(real.shape, np.int64)
        types[real] = token_type_ids
        batch["token_type_ids"] = types
    return {name: torch.from_numpy(values) for name, values in batch.items()}

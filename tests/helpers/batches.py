"""Padded batches of prepared splits, as other trainers take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit


def has_token_types(split: PreparedSplit) -> bool:
    """Whether the model uses token types."""
    return "token_type_ids" in split.table.column_names


def collate(split: PreparedSplit, indices: Sequence[int] | np.ndarray, pad_token_id: int) -> dict[str, torch.Tensor]:
    """Labelled examples of one window each, padded as in `padded`: shape (batch, longest), labels (batch,).

    Keys: input_ids, attention_mask, labels, and token_type_ids if the model uses them.
    """
    types = [row for i in indices if (row := split.token_type_ids(i)) is not None]
    ids = np.concatenate([split.input_ids(i) for i in indices])
    batch = padded(ids, np.concatenate(types) if types else None, split.lengths[indices], pad_token_id)
    return batch | {"labels": torch.from_numpy(split.labels[indices])}

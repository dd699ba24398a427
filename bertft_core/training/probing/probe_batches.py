"""Reading some examples of a split, padded, with an encoder in evaluation mode."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from bertft_core.data.batching import padded

BATCH_SIZE = 32


def batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of examples with these lengths [n] in batches of like length, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), BATCH_SIZE):
        yield order[start : start + BATCH_SIZE]


def inputs_of(encoder: Any, ids: Sequence[np.ndarray], types: Sequence[np.ndarray | None]) -> dict[str, Tensor]:
    """Arguments of the encoder, [windows, longest], from the tokens and token types of each window."""
    given = [row for row in types if row is not None]
    lengths = np.array([len(row) for row in ids])
    pad_token_id = getattr(encoder.config, "pad_token_id", None) or 0
    batch = padded(np.concatenate(ids), np.concatenate(given) if given else None, lengths, pad_token_id)
    return {name: values.to(encoder.device) for name, values in batch.items()}

"""What the encoder reads for some examples, and which of its tokens the head reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from torch import Tensor


class TokenisedSplit(Protocol):
    """What a head needs of a split; `bertft_core.data.prepared_split.PreparedSplit` is one."""

    table: pa.Table

    @property
    def n(self) -> int: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    def input_ids(self, i: int) -> np.ndarray: ...
    def token_type_ids(self, i: int) -> np.ndarray | None: ...
    def window_lengths(self, i: int) -> np.ndarray: ...
    def values(self, column: str) -> np.ndarray: ...
    def ragged(self, column: str, i: int) -> np.ndarray: ...
    def matrix(self, column: str) -> np.ndarray: ...


Draw = Callable[[int], np.random.Generator]
"""Position of an example in its split → the generator of its random choices in this step of training."""
HeadForward = Callable[[Tensor], Tensor]
"""Last hidden states [m, hidden] of the chosen tokens → logits."""


@dataclass(frozen=True)
class HeadInputs:
    """One forward pass."""

    input_ids: np.ndarray
    """[T]: the tokens of all windows, one window after another."""
    token_type_ids: np.ndarray | None
    """[T], or None for a model without token types."""
    window_lengths: np.ndarray
    """[w]"""
    windows_of: np.ndarray
    """[n]: windows of each example; they add up to w."""
    positions: np.ndarray | None
    """[m]: tokens the head reads, in 0 … T - 1 and rising; None for the first one of every window."""
    n_targets: int
    """What the loss is divided by, added up over a step: examples, cells, words, windows, or masked tokens."""
    targets: Any
    """What the head's `loss_sum` and `outputs` need."""


def window_inputs(
    split: TokenisedSplit,
    indices: Sequence[int] | np.ndarray,
    *,
    positions: np.ndarray | None,
    n_targets: int,
    targets: Any,
    input_ids: np.ndarray | None = None,
) -> HeadInputs:
    """Reading every window of the examples; `input_ids` [T] replaces the stored ones where given."""
    lengths = [split.window_lengths(i) for i in indices]
    types = [row for i in indices if (row := split.token_type_ids(i)) is not None]
    return HeadInputs(
        input_ids=np.concatenate([split.input_ids(i) for i in indices]) if input_ids is None else input_ids,
        token_type_ids=np.concatenate(types) if types else None,
        window_lengths=np.concatenate(lengths).astype(np.int64),
        windows_of=np.array([len(of) for of in lengths], np.int64),
        positions=positions,
        n_targets=n_targets,
        targets=targets,
    )

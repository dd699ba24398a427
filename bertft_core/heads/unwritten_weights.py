"""Weights that transformers neither loads nor draws, and leaves as whatever was in memory: the same seed gave other weights.

Found for the bias of the vocabulary layer of Longformer and FNet, where the checkpoint has no such layer. Most of the time the
memory held zeros; sometimes it made the loss NaN.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def unwritten_memory_is_nan() -> Iterator[None]:
    """Memory allocated inside holds NaN until it is written. No random number is drawn."""
    was, fills = torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        torch.set_deterministic_debug_mode("error")  # `use_deterministic_algorithms` imports torch's compiler
        torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
        yield
    finally:
        torch.set_deterministic_debug_mode(was)
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]


@torch.no_grad()
def zero_unwritten_biases(model: nn.Module) -> None:
    """A new bias is 0, as transformers draws every other one. Raises `RuntimeError` for another weight that was never written.

    The weights of a checkpoint are finite; see `data.encoder_values`.
    """
    for name, values in model.named_parameters():
        if torch.isfinite(values).all():
            continue
        if not name.endswith("bias"):
            raise RuntimeError(f"transformers leaves {name} without a value")
        values.zero_()

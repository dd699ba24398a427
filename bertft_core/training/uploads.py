"""Indices on their way to the device that computes with them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def on_device(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """The arrays as int64 tensors of the same shapes.

    To a GPU they go in one piece from pinned memory, and nobody waits for it: each small copy of its own would make the host
    wait until it is done.
    """
    if device.type == "cpu":
        return [torch.from_numpy(values.astype(np.int64)) for values in arrays]
    sizes = [values.size for values in arrays]
    buffer = torch.empty(sum(sizes), dtype=torch.int64, pin_memory=True)
    np.concatenate([values.ravel() for values in arrays], out=buffer.numpy(), casting="unsafe")
    sent = buffer.to(device, non_blocking=True).split(sizes)
    return [part.view(values.shape) for part, values in zip(sent, arrays, strict=True)]

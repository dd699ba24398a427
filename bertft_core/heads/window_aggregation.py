"""From the windows of a long text to the text: which of them are read, and how their logits become one vector."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bertft_core.heads.head_parts import mean_of_runs
from bertft_core.heads.inputs import HeadInputs
from bertft_core.heads.window_attention import attended


def first_windows(inputs: HeadInputs) -> HeadInputs:
    """Without all windows but the first of each example."""
    kept = np.zeros(len(inputs.window_lengths), bool)
    kept[np.cumsum(inputs.windows_of) - inputs.windows_of] = True
    tokens = np.repeat(kept, inputs.window_lengths)
    return replace(
        inputs,
        input_ids=inputs.input_ids[tokens],
        token_type_ids=None if inputs.token_type_ids is None else inputs.token_type_ids[tokens],
        window_lengths=inputs.window_lengths[kept],
        windows_of=np.ones_like(inputs.windows_of),
    )


def aggregated(logits: Tensor, windows_of: np.ndarray, aggregate: str) -> Tensor:
    """What `head_forward` gives for windows [w, …] → logits of examples [n, k], which have `windows_of` [n] each.

    The mean of each example's windows, with learned weights or without, or the largest of each label.
    """
    if aggregate == "attention":
        return attended(logits, windows_of)
    if len(logits) == len(windows_of):
        return logits
    if aggregate == "max":
        return torch.stack([run.amax(0) for run in logits.split(windows_of.tolist())])
    return mean_of_runs(logits, windows_of)

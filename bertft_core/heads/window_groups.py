"""Which windows may share a padded batch: those of which none sees how long its neighbours are.

Most encoders ignore padding. FNet has no attention mask, ConvBERT's convolutions reach into the padding, Funnel pools over it,
and BigBird's last block is read by all others: their result for a text would depend on the texts beside it. These read windows of
one length at a time, so every window gives what transformers gives for it alone.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bertft_core.config.encoder_families import READS_PADDING
from bertft_core.heads.inputs import HeadInputs


def group_of(model: Any, lengths: np.ndarray) -> np.ndarray:
    """[w] → [w]: windows with the same number may share a batch. For BigBird it is the length in which blocks are computed, or
    0 where every token reads all others."""
    config = model.config
    if config.model_type not in READS_PADDING or getattr(config, "attention_type", None) == "original_full":
        return np.zeros_like(lengths)
    if config.model_type != "big_bird":
        return lengths
    in_blocks = -(-lengths // config.block_size) * config.block_size
    return np.where(lengths <= (5 + 2 * config.num_random_blocks) * config.block_size, 0, in_blocks)


def by_group(model: Any, inputs: HeadInputs, compute: Callable[[HeadInputs], Tensor]) -> Tensor:
    """`compute` for the windows of each group, its rows (one a window, or one a position) in the order of the inputs."""
    groups = group_of(model, inputs.window_lengths)
    distinct = np.unique(groups)
    if len(distinct) == 1:
        use_attention(model, sparse=bool(distinct[0]))
        return compute(inputs)
    found, rows = [], []
    for group in distinct:
        use_attention(model, sparse=bool(group))
        part, of_part = _chosen(inputs, groups == group)
        found.append(compute(part))
        rows.append(of_part)
    order = np.argsort(np.concatenate(rows), kind="stable")
    return torch.cat(found)[torch.from_numpy(order).to(found[0].device)]


def _chosen(inputs: HeadInputs, windows: np.ndarray) -> tuple[HeadInputs, np.ndarray]:
    """The chosen windows [w] alone, and which of the rows of all inputs are theirs."""
    tokens = np.repeat(windows, inputs.window_lengths)
    positions, rows = None, np.flatnonzero(windows)
    if inputs.positions is not None:
        rows = np.flatnonzero(tokens[inputs.positions])
        positions = (np.cumsum(tokens) - 1)[inputs.positions[rows]]
    part = replace(
        inputs,
        input_ids=inputs.input_ids[tokens],
        token_type_ids=None if inputs.token_type_ids is None else inputs.token_type_ids[tokens],
        window_lengths=inputs.window_lengths[windows],
        windows_of=np.ones(int(windows.sum()), np.int64),
        positions=positions,
    )
    return part, rows


def use_attention(model: Any, *, sparse: bool) -> None:
    """Give a BigBird dense or block-sparse attention; other families have one only.

    transformers changes it for good at the first short batch, and draws the weights that it then replaces from the random stream:
    a run would depend on where it was resumed.
    """
    if model.config.model_type != "big_bird":
        return
    encoder, kind = model.base_model, "block_sparse" if sparse else "original_full"
    if encoder.attention_type == kind:
        return
    encoder.attention_type = encoder.encoder.attention_type = kind
    for layer in encoder.encoder.layer:
        attention, old = layer.attention, layer.attention.self
        kept = vars(attention).get("unused")
        if kept is None:
            with torch.random.fork_rng(devices=[]):
                attention.set_attention_type(kind)
        else:
            attention.self, attention.attention_type = kept, kind
            kept.train(old.training)
        object.__setattr__(attention, "unused", old)  # no module of the model: the two share their weights
        layer.attention_type = kind

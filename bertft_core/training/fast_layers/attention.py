"""Attention of a packed row, forward and backward, in groups of texts of similar lengths; softmax as in Vaswani et al. 2017."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from bertft_core.training.dropout_masks import DropoutMasks
from bertft_core.training.fast_layers.operations import aten
from bertft_core.training.length_groups import LengthGroup


class Attended(NamedTuple):
    """What the backward pass of one group needs."""

    heads: Tensor
    """[3, n · heads, L, size]: queries, keys, values."""
    chances: Tensor
    """[n · heads, L, L], before dropout."""
    mask: Tensor | None
    """[n · heads, L, L]: dropout."""


def attend(
    qkv: Tensor,
    groups: list[LengthGroup],
    n_heads: int,
    p: float,
    masks: DropoutMasks | None,
    reach: Tensor | None = None,
    *,
    learns: bool,
) -> tuple[Tensor, list[Attended]]:
    """Queries, keys and values [rows, 3 · width] → what is read [rows, width], and what `attend_backward` needs if it `learns`.

    `reach` [N, 1, 1 or longest, longest] is -inf where a token does not read another one; by default each reads its whole text.
    """
    size = qkv.shape[1] // 3 // n_heads
    read, saved = _new_rows(qkv, qkv.shape[1] // 3, groups), []
    for group in groups:
        n, longest = group.n, group.longest
        heads = qkv.index_select(0, group.rectangle).view(n, longest, 3, n_heads, size)
        heads = heads.permute(2, 0, 3, 1, 4).reshape(3, n * n_heads, longest, size)
        scores = _scores(heads, group.mask(reach), n_heads, size**-0.5)
        chances = aten._softmax(scores, -1, False)
        mask = None if masks is None else masks.drawn((n * n_heads, longest, longest), p, qkv.dtype)
        values = torch.bmm(chances if mask is None else chances * mask, heads[2])
        _put(read, values.view(n, n_heads, longest, size).transpose(1, 2).reshape(n * longest, -1), group)
        if learns:
            saved.append(Attended(heads, chances, mask))
    return read, saved


def attend_backward(dread: Tensor, groups: list[LengthGroup], n_heads: int, saved: list[Attended]) -> Tensor:
    """The gradient of queries, keys and values [rows, 3 · width] from that of what is read [rows, width]."""
    size = dread.shape[1] // n_heads
    dqkv = _new_rows(dread, 3 * dread.shape[1], groups)
    for group, (heads, chances, mask) in zip(groups, saved, strict=True):
        n, longest = group.n, group.longest
        queries, keys, values = heads
        d = _laid_out(dread, group).view(n, longest, n_heads, size).transpose(1, 2).reshape(n * n_heads, longest, size)
        dheads = torch.empty_like(heads)
        torch.bmm((chances if mask is None else chances * mask).transpose(1, 2), d, out=dheads[2])
        dchances = torch.bmm(d, values.transpose(1, 2))
        if mask is not None:
            dchances.mul_(mask)
        dscores = aten._softmax_backward_data(dchances, chances, -1, chances.dtype).mul_(size**-0.5)
        torch.bmm(dscores, keys, out=dheads[0])
        torch.bmm(dscores.transpose(1, 2), queries, out=dheads[1])
        dheads = dheads.view(3, n, n_heads, longest, size).permute(1, 3, 0, 2, 4)
        _put(dqkv, dheads.reshape(n * longest, -1), group)
    return dqkv


def saved_attention(tensors: tuple[Tensor, ...]) -> list[Attended]:
    """What each group's attention has saved, of the tensors in a row."""
    return [Attended(*tensors[i : i + 3]) for i in range(0, len(tensors), 3)]


def _scores(heads: Tensor, mask: Tensor | None, n_heads: int, scale: float) -> Tensor:
    if mask is None:
        return torch.bmm(heads[0], heads[1].transpose(1, 2)).mul_(scale)
    for_each_head = mask.to(heads.dtype)[:, None].expand(-1, n_heads, -1, -1).flatten(0, 1)
    return torch.baddbmm(for_each_head, heads[0], heads[1].transpose(1, 2), alpha=scale)


def _new_rows(like: Tensor, width: int, groups: list[LengthGroup]) -> Tensor:
    """[rows, width], to be filled; rows that are no tokens, which come last, are 0."""
    rows = like.new_empty(len(like), width)
    rows[sum(len(group.tokens) for group in groups) :] = 0
    return rows


def _put(rows: Tensor, laid_out: Tensor, group: LengthGroup) -> None:
    rows.index_copy_(0, group.tokens, laid_out if group.padding is None else laid_out.index_select(0, group.places))


def _laid_out(rows: Tensor, group: LengthGroup) -> Tensor:
    """[rows, width] → [n · L, width], 0 at padding."""
    if group.padding is None:
        return rows.index_select(0, group.rectangle)
    laid_out = rows.new_zeros(group.n * group.longest, rows.shape[1])
    return laid_out.index_copy_(0, group.places, rows.index_select(0, group.tokens))

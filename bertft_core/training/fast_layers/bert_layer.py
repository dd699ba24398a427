"""One layer of a BERT-like encoder, forward and backward, without autograd between its operations (Devlin et al. 2019):

    z = LayerNorm(x + dropout(attention(x)))
    y = LayerNorm(z + dropout(GELU(z · up) · down))

Queries, keys and values are one product. In a lower precision the products and the attention have it; the states between layers,
norms, and sums over tokens are of the precision of `x`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bertft_core.training.dropout_masks import DropoutMasks
from bertft_core.training.fast_layers.attention import attend, attend_backward, saved_attention
from bertft_core.training.fast_layers.operations import (
    MaybeTensor,
    aten,
    norm_backward,
    plus_product,
    product_backward,
    residual,
    through_dropout,
)
from bertft_core.training.fast_layers.spread import spread
from bertft_core.training.length_groups import LengthGroup

QKV = ("query", "key", "value")


class BertWeights(NamedTuple):
    """A layer's parameters, in the order of `BertLayer.apply`; those of products are [outputs, inputs]."""

    query: Tensor
    query_bias: Tensor
    key: Tensor
    key_bias: Tensor
    value: Tensor
    value_bias: Tensor
    output: Tensor
    output_bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor
    last_norm: Tensor
    last_norm_bias: Tensor


class BertProducts(NamedTuple):
    """The parameters of products in the precision that they are computed in."""

    qkv: Tensor
    qkv_bias: Tensor
    output: Tensor
    output_bias: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, w: BertWeights, dtype: torch.dtype) -> BertProducts:
        """Of a layer's weights, queries, keys and values side by side."""
        qkv = torch.cat([w.query, w.key, w.value])
        qkv_bias = torch.cat([w.query_bias, w.key_bias, w.value_bias])
        return cls(*(p.to(dtype) for p in (qkv, qkv_bias, w.output, w.output_bias, w.up, w.up_bias, w.down, w.down_bias)))


class BertShape(NamedTuple):
    """What a layer does beside its weights, in one pass."""

    groups: list[LengthGroup]
    n_heads: int
    epsilons: tuple[float, float]
    """Of its norms."""
    dropouts: tuple[float, float, float]
    """Of attention, after attention, and after the feed-forward step."""
    masks: DropoutMasks | None
    """None where nothing is dropped."""
    dtype: torch.dtype
    """Of products and attention."""
    learns: bool
    """A backward pass may follow."""


class _Saved(NamedTuple):
    """Of a forward pass, for the backward pass; followed by three tensors for each group of the attention."""

    x: Tensor
    read: Tensor
    first_sum: Tensor
    first_mean: Tensor
    first_rstd: Tensor
    first_mask: MaybeTensor
    z: Tensor
    raised: Tensor
    activated: Tensor
    last_sum: Tensor
    last_mean: Tensor
    last_rstd: Tensor
    last_mask: MaybeTensor
    norm: Tensor
    norm_bias: Tensor
    last_norm: Tensor
    last_norm_bias: Tensor


class BertLayer(torch.autograd.Function):
    """`BertLayer.apply(x, shape, products, *weights)`: states [rows, width] → states; rows past the tokens are any."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: BertShape, products: BertProducts, *weights: Tensor) -> Tensor:
        w = BertWeights(*weights)
        rows, width = x.shape
        p_attention, p_first, p_last = shape.dropouts
        with torch.autocast(x.device.type, enabled=False):
            narrow = x.to(shape.dtype)
            qkv = spread(torch.addmm, products.qkv_bias, narrow, products.qkv.t())
            read, attended = attend(qkv, shape.groups, shape.n_heads, p_attention, shape.masks, learns=shape.learns)
            first_mask = None if shape.masks is None else shape.masks.of_rows(rows, width, p_first, x.dtype)
            first_sum = residual(x, spread(torch.addmm, products.output_bias, read, products.output.t()), first_mask)
            z, first_mean, first_rstd = aten.native_layer_norm(first_sum, [width], w.norm, w.norm_bias, shape.epsilons[0])
            narrow_z = z.to(shape.dtype)
            raised = spread(torch.addmm, products.up_bias, narrow_z, products.up.t())
            activated = spread(aten.gelu, raised)
            last_mask = None if shape.masks is None else shape.masks.of_rows(rows, width, p_last, x.dtype)
            last_sum = residual(z, spread(torch.addmm, products.down_bias, activated, products.down.t()), last_mask)
            y, last_mean, last_rstd = aten.native_layer_norm(last_sum, [width], w.last_norm, w.last_norm_bias, shape.epsilons[1])
        if shape.learns:
            ctx.shape, ctx.products = shape, products
            first = (first_sum, first_mean, first_rstd, first_mask)
            last = (last_sum, last_mean, last_rstd, last_mask)
            norms = (w.norm, w.norm_bias, w.last_norm, w.last_norm_bias)
            saved = _Saved(narrow, read, *first, narrow_z, raised, activated, *last, *norms)
            ctx.save_for_backward(*saved, *(each for group in attended for each in group))
        return y  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy: Tensor) -> tuple[MaybeTensor, ...]:
        n, tensors = len(_Saved._fields), ctx.saved_tensors  # to be read once: a checkpoint computes them then
        saved, attended = _Saved(*tensors[:n]), saved_attention(tensors[n:])
        shape, w, like = ctx.shape, ctx.products, dy.dtype
        need = dict(zip(BertWeights._fields, ctx.needs_input_grad[3:], strict=True))
        d: dict[str, MaybeTensor] = dict.fromkeys(need)

        def product(of: str, dproduct: Tensor, inputs: Tensor) -> None:
            d[of], d[f"{of}_bias"] = product_backward(dproduct, inputs, need[of], need[f"{of}_bias"], like)

        last = (saved.last_sum, saved.last_mean, saved.last_rstd, saved.last_norm, saved.last_norm_bias)
        dsum, d["last_norm"], d["last_norm_bias"] = norm_backward(dy, last)
        dproduct = through_dropout(dsum, saved.last_mask, shape.dtype)
        product("down", dproduct, saved.activated)
        draised = spread(aten.gelu_backward, spread(torch.mm, dproduct, w.down), saved.raised)
        product("up", draised, saved.z)
        first = (saved.first_sum, saved.first_mean, saved.first_rstd, saved.norm, saved.norm_bias)
        dsum, d["norm"], d["norm_bias"] = norm_backward(plus_product(dsum, draised, w.up), first)
        dproduct = through_dropout(dsum, saved.first_mask, shape.dtype)
        product("output", dproduct, saved.read)
        dx = None
        if ctx.needs_input_grad[0] or any(need[f"{of}{part}"] for of in QKV for part in ("", "_bias")):
            dqkv = attend_backward(spread(torch.mm, dproduct, w.output), shape.groups, shape.n_heads, attended)
            d |= _of_qkv(dqkv, saved.x, need, like)
            dx = plus_product(dsum, dqkv, w.qkv) if ctx.needs_input_grad[0] else None
        return dx, None, None, *(d[name] if needed else None for name, needed in need.items())


def _of_qkv(d: Tensor, inputs: Tensor, need: Mapping[str, bool], dtype: torch.dtype) -> dict[str, MaybeTensor]:
    """One product for queries, keys and values, if any of them learns."""
    of_weights, of_biases = product_backward(d, inputs, any(need[of] for of in QKV), any(need[f"{of}_bias"] for of in QKV), dtype)
    parts: dict[str, MaybeTensor] = {} if of_weights is None else dict(zip(QKV, of_weights.chunk(3), strict=True))
    return parts if of_biases is None else parts | {f"{of}_bias": part for of, part in zip(QKV, of_biases.chunk(3), strict=True)}

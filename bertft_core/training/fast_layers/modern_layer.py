"""A layer of ModernBERT, forward and backward, without autograd between its operations (Warner et al. 2024):

    y = x + dropout(attention(LayerNorm(x)))
    z = y + dropout(GELU(n · in) * (n · gate)) · out,  n = LayerNorm(y)

The lowest layer has no first norm. Attention has rotary positions, and in some layers a window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from bertft_core.training.dropout_masks import DropoutMasks
from bertft_core.training.fast_layers.attention import attend, attend_backward, saved_attention
from bertft_core.training.fast_layers.operations import (
    MaybeTensor,
    Prepared,
    aten,
    norm_backward,
    precision_of,
    product_backward,
    residual,
    through_dropout,
)
from bertft_core.training.fast_layers.rotation import Rotation
from bertft_core.training.fast_layers.spread import spread
from bertft_core.training.length_groups import LengthGroup
from bertft_core.training.packing import Packing


class ModernWeights(NamedTuple):
    """A layer's parameters, in the order of `ModernLayer.apply`; absent ones are None."""

    norm: MaybeTensor
    norm_bias: MaybeTensor
    qkv: Tensor
    qkv_bias: MaybeTensor
    output: Tensor
    output_bias: MaybeTensor
    mlp_norm: Tensor
    mlp_norm_bias: MaybeTensor
    raised: Tensor
    raised_bias: MaybeTensor
    lowered: Tensor
    lowered_bias: MaybeTensor


class ModernProducts(NamedTuple):
    """The parameters of products in the precision that they are computed in."""

    qkv: Tensor
    qkv_bias: MaybeTensor
    output: Tensor
    output_bias: MaybeTensor
    raised: Tensor
    raised_bias: MaybeTensor
    lowered: Tensor
    lowered_bias: MaybeTensor

    @classmethod
    @torch.no_grad()
    def of(cls, w: ModernWeights, dtype: torch.dtype) -> ModernProducts:
        """Of a layer's weights."""
        own = (w.qkv, w.qkv_bias, w.output, w.output_bias, w.raised, w.raised_bias, w.lowered, w.lowered_bias)
        return cls(*(None if each is None else each.to(dtype) for each in own))  # type: ignore[arg-type]


class ModernShape(NamedTuple):
    """What a layer does beside its weights, in one pass."""

    groups: list[LengthGroup]
    n_heads: int
    epsilons: tuple[float, float]
    dropouts: tuple[float, float, float]
    """Of attention, after attention, and inside the feed-forward step."""
    masks: DropoutMasks | None
    rotation: Rotation
    reach: Tensor
    """[N, 1, 1 or longest, longest]: -inf where a token does not read another one."""
    dtype: torch.dtype
    """Of products and attention."""
    learns: bool


class _Saved(NamedTuple):
    x: Tensor
    mean: MaybeTensor
    rstd: MaybeTensor
    normed: Tensor
    read: Tensor
    mask: MaybeTensor
    y: Tensor
    mlp_mean: Tensor
    mlp_rstd: Tensor
    mlp_normed: Tensor
    raised: Tensor
    activated: Tensor
    product: Tensor
    mlp_mask: MaybeTensor
    norm: MaybeTensor
    norm_bias: MaybeTensor
    mlp_norm: Tensor
    mlp_norm_bias: MaybeTensor


class ModernLayer(torch.autograd.Function):
    """`ModernLayer.apply(x, shape, products, *weights)`: states [rows, width] → states; rows past the tokens are any."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: ModernShape, products: ModernProducts, *weights: MaybeTensor) -> Tensor:
        w, p = ModernWeights(*weights), products  # type: ignore[arg-type]
        (rows, width), narrow = x.shape, shape.dtype
        p_attention, p_output, p_mlp = shape.dropouts
        with torch.autocast(x.device.type, enabled=False):
            normed, mean, rstd = _normed(x, w.norm, w.norm_bias, shape.epsilons[0])
            normed = normed.to(narrow)
            qkv = shape.rotation.turned(spread(linear, normed, p.qkv, p.qkv_bias), shape.n_heads)
            read, attended = attend(qkv, shape.groups, shape.n_heads, p_attention, shape.masks, shape.reach, learns=shape.learns)
            mask = None if shape.masks is None else shape.masks.of_rows(rows, width, p_output, x.dtype)
            y = residual(x, spread(linear, read, p.output, p.output_bias), mask)
            mlp_normed, mlp_mean, mlp_rstd = _normed(y, w.mlp_norm, w.mlp_norm_bias, shape.epsilons[1])
            mlp_normed = mlp_normed.to(narrow)
            raised = spread(linear, mlp_normed, p.raised, p.raised_bias)
            inner, gate = raised.chunk(2, dim=1)
            activated = spread(aten.gelu, inner)
            mlp_mask = None if shape.masks is None else shape.masks.of_rows(rows, gate.shape[1], p_mlp, narrow)
            product = activated * gate if mlp_mask is None else activated * gate * mlp_mask
            z = y + spread(linear, product, p.lowered, p.lowered_bias)
        if shape.learns:
            ctx.shape, ctx.products = shape, products
            norms = (w.norm, w.norm_bias, w.mlp_norm, w.mlp_norm_bias)
            first, last = (x, mean, rstd, normed, read, mask), (y, mlp_mean, mlp_rstd, mlp_normed)
            saved = _Saved(*first, *last, raised, activated, product, mlp_mask, *norms)  # type: ignore[arg-type]
            ctx.save_for_backward(*saved, *(each for group in attended for each in group))
        return z

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dz: Tensor) -> tuple[MaybeTensor, ...]:
        n, tensors = len(_Saved._fields), ctx.saved_tensors  # to be read once: a checkpoint computes them then
        saved, attended = _Saved(*tensors[:n]), saved_attention(tensors[n:])
        shape, w, like = ctx.shape, ctx.products, dz.dtype
        need = dict(zip(ModernWeights._fields, ctx.needs_input_grad[3:], strict=True))
        d: dict[str, MaybeTensor] = dict.fromkeys(need)

        def product(of: str, dproduct: Tensor, inputs: Tensor) -> None:
            d[of], d[f"{of}_bias"] = product_backward(dproduct, inputs, need[of], need[f"{of}_bias"], like)

        dnarrow = dz.to(shape.dtype)
        product("lowered", dnarrow, saved.product)
        dproduct = through_dropout(spread(torch.mm, dnarrow, w.lowered), saved.mlp_mask, shape.dtype)
        inner, gate = saved.raised.chunk(2, dim=1)
        draised = torch.cat([spread(aten.gelu_backward, dproduct * gate, inner), dproduct * saved.activated], dim=1)
        product("raised", draised, saved.mlp_normed)
        dnormed = spread(torch.mm, draised, w.raised).to(like)
        mlp_norm = (saved.y, saved.mlp_mean, saved.mlp_rstd, saved.mlp_norm, saved.mlp_norm_bias)
        dy, d["mlp_norm"], d["mlp_norm_bias"] = norm_backward(dnormed, mlp_norm)
        dy = dy + dz
        doutput = through_dropout(dy, saved.mask, shape.dtype)
        product("output", doutput, saved.read)
        dqkv = attend_backward(spread(torch.mm, doutput, w.output), shape.groups, shape.n_heads, attended)
        dqkv = shape.rotation.turned_back(dqkv, shape.n_heads)
        product("qkv", dqkv, saved.normed)
        dx = spread(torch.mm, dqkv, w.qkv).to(like)
        if saved.norm is not None:
            dx, d["norm"], d["norm_bias"] = norm_backward(dx, (saved.x, saved.mean, saved.rstd, saved.norm, saved.norm_bias))  # type: ignore[arg-type]
        return dx + dy, None, None, *(d[name] if needed else None for name, needed in need.items())


def _normed(x: Tensor, weight: MaybeTensor, bias: MaybeTensor, epsilon: float) -> tuple[Tensor, MaybeTensor, MaybeTensor]:
    return (x, None, None) if weight is None else aten.native_layer_norm(x, [x.shape[1]], weight, bias, epsilon)


class ModernBlock:
    """A layer of ModernBERT that is computed by hand."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._prepared = Prepared(ModernProducts.of)
        self._modules = (layer.attn_norm, layer.attn.Wqkv, layer.attn.Wo, layer.mlp_norm, layer.mlp.Wi, layer.mlp.Wo)

    @property
    def is_plain(self) -> bool:
        """No strategy has given a module of it another forward pass: mixout."""
        return not any("forward" in vars(module) for module in self._modules)

    def __call__(self, x: Tensor, packing: Packing, shared: Any) -> Tensor:
        """States [rows, width] → states."""
        layer, attention = self._layer, self._layer.attn
        (cos, sin), reach = shared[layer.attention_type]["position_embeddings"], shared[layer.attention_type]["attention_mask"]
        dtype = precision_of(x)
        shape = ModernShape(
            groups=packing.groups,
            n_heads=attention.config.num_attention_heads,
            epsilons=(getattr(layer.attn_norm, "eps", 0.0), layer.mlp_norm.eps),
            dropouts=(
                attention.attention_dropout if attention.training else 0.0,
                _share(attention.out_drop),
                _share(layer.mlp.drop),
            ),
            masks=packing.masks,
            rotation=Rotation(cos[0], sin[0]),
            reach=reach,
            dtype=dtype,
            learns=torch.is_grad_enabled(),
        )
        weights = ModernWeights(*(getattr(module, name, None) for module in self._modules for name in ("weight", "bias")))  # type: ignore[arg-type]
        return ModernLayer.apply(x, shape, self._prepared.of(weights, dtype), *weights)  # type: ignore[no-any-return,no-untyped-call]


def _share(module: nn.Module) -> float:
    return float(module.p) if isinstance(module, nn.Dropout) and module.training else 0.0  # an identity where it is 0

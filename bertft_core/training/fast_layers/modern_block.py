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

from bertft_core.training.dropout_masks import DropoutMasks
from bertft_core.training.fast_layers.attention import Attended, attend, attend_backward
from bertft_core.training.fast_layers.layer_parts import precision_of
from bertft_core.training.fast_layers.rotation import Rotation
from bertft_core.training.length_groups import LengthGroup
from bertft_core.training.packing import Packing

aten = torch.ops.aten
Optional = Tensor | None


class ModernWeights(NamedTuple):
    """A layer's parameters, in the order of `ModernLayer.apply`; absent ones are None."""

    norm: Optional
    norm_bias: Optional
    qkv: Tensor
    qkv_bias: Optional
    output: Tensor
    output_bias: Optional
    mlp_norm: Tensor
    mlp_norm_bias: Optional
    raised: Tensor
    raised_bias: Optional
    lowered: Tensor
    lowered_bias: Optional


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
    mean: Optional
    rstd: Optional
    normed: Tensor
    read: Tensor
    mask: Optional
    y: Tensor
    mlp_mean: Tensor
    mlp_rstd: Tensor
    mlp_normed: Tensor
    raised: Tensor
    activated: Tensor
    product: Tensor
    mlp_mask: Optional
    norm: Optional
    norm_bias: Optional
    mlp_norm: Tensor
    mlp_norm_bias: Optional


class ModernLayer(torch.autograd.Function):
    """`ModernLayer.apply(x, shape, *weights)`: states [rows, width] → states; rows past the tokens are any."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: ModernShape, *weights: Optional) -> Tensor:
        w = ModernWeights(*weights)  # type: ignore[arg-type]
        (rows, width), narrow = x.shape, shape.dtype
        p_attention, p_output, p_mlp = shape.dropouts
        with torch.autocast(x.device.type, enabled=False):
            own = [None if each is None else each.to(narrow) for each in (*w[2:6], *w[8:])]
            qkv_w, qkv_b, output_w, output_b, raised_w, raised_b, lowered_w, lowered_b = own
            normed, mean, rstd = _normed(x, w.norm, w.norm_bias, shape.epsilons[0])
            normed = normed.to(narrow)
            qkv = shape.rotation.turned(nn.functional.linear(normed, qkv_w, qkv_b), shape.n_heads)  # type: ignore[arg-type]
            read, attended = attend(qkv, shape.groups, shape.n_heads, p_attention, shape.masks, shape.reach, learns=shape.learns)
            mask = None if shape.masks is None else shape.masks.of_rows(rows, width, p_output, x.dtype)
            y = _plus(x, nn.functional.linear(read, output_w, output_b), mask)  # type: ignore[arg-type]
            mlp_normed, mlp_mean, mlp_rstd = _normed(y, w.mlp_norm, w.mlp_norm_bias, shape.epsilons[1])
            mlp_normed = mlp_normed.to(narrow)
            raised = nn.functional.linear(mlp_normed, raised_w, raised_b)  # type: ignore[arg-type]
            inner, gate = raised.chunk(2, dim=1)
            activated = aten.gelu(inner)
            mlp_mask = None if shape.masks is None else shape.masks.of_rows(rows, gate.shape[1], p_mlp, narrow)
            product = activated * gate if mlp_mask is None else activated * gate * mlp_mask
            z = y + nn.functional.linear(product, lowered_w, lowered_b)  # type: ignore[arg-type]
        if shape.learns:
            ctx.shape, ctx.products = shape, (qkv_w, output_w, raised_w, lowered_w)
            norms = (w.norm, w.norm_bias, w.mlp_norm, w.mlp_norm_bias)
            first, last = (x, mean, rstd, normed, read, mask), (y, mlp_mean, mlp_rstd, mlp_normed)
            saved = _Saved(*first, *last, raised, activated, product, mlp_mask, *norms)  # type: ignore[arg-type]
            ctx.save_for_backward(*saved, *(each for group in attended for each in group))
        return z

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dz: Tensor) -> tuple[Optional, ...]:
        n, tensors = len(_Saved._fields), ctx.saved_tensors  # to be read once: a checkpoint computes them then
        saved, attended = _Saved(*tensors[:n]), [Attended(*tensors[i : i + 3]) for i in range(n, len(tensors), 3)]
        shape, (qkv_w, output_w, raised_w, lowered_w), like = ctx.shape, ctx.products, dz.dtype
        need = dict(zip(ModernWeights._fields, ctx.needs_input_grad[2:], strict=True))
        d: dict[str, Optional] = dict.fromkeys(need)

        def product(of: str, dproduct: Tensor, inputs: Tensor) -> None:
            d[of] = torch.mm(dproduct.t(), inputs).to(like) if need[of] else None
            d[f"{of}_bias"] = dproduct.sum(0, dtype=like) if need[f"{of}_bias"] else None

        dnarrow = dz.to(shape.dtype)
        product("lowered", dnarrow, saved.product)
        dproduct = torch.mm(dnarrow, lowered_w)
        if saved.mlp_mask is not None:
            dproduct.mul_(saved.mlp_mask)
        inner, gate = saved.raised.chunk(2, dim=1)
        draised = torch.cat([aten.gelu_backward(dproduct * gate, inner), dproduct * saved.activated], dim=1)
        product("raised", draised, saved.mlp_normed)
        dnormed = torch.mm(draised, raised_w).to(like)
        dy, d["mlp_norm"], d["mlp_norm_bias"] = _norm_backward(
            dnormed, saved.y, saved.mlp_mean, saved.mlp_rstd, saved.mlp_norm, saved.mlp_norm_bias
        )
        dy = dy + dz
        doutput = (dy if saved.mask is None else dy * saved.mask).to(shape.dtype)
        product("output", doutput, saved.read)
        dqkv = attend_backward(torch.mm(doutput, output_w), shape.groups, shape.n_heads, attended)
        dqkv = shape.rotation.turned_back(dqkv, shape.n_heads)
        product("qkv", dqkv, saved.normed)
        dx = torch.mm(dqkv, qkv_w).to(like)
        if saved.norm is not None:
            assert saved.mean is not None
            assert saved.rstd is not None
            dx, d["norm"], d["norm_bias"] = _norm_backward(dx, saved.x, saved.mean, saved.rstd, saved.norm, saved.norm_bias)
        return dx + dy, None, *(d[name] if needed else None for name, needed in need.items())


def _normed(x: Tensor, weight: Optional, bias: Optional, epsilon: float) -> tuple[Tensor, Optional, Optional]:
    return (x, None, None) if weight is None else aten.native_layer_norm(x, [x.shape[1]], weight, bias, epsilon)


def _norm_backward(
    d: Tensor, of: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, bias: Optional
) -> tuple[Tensor, Tensor, Optional]:
    return aten.native_layer_norm_backward(  # type: ignore[no-any-return]
        d.contiguous(), of, [of.shape[1]], mean, rstd, weight, bias, [True, True, bias is not None]
    )


def _plus(x: Tensor, product: Tensor, mask: Optional) -> Tensor:
    return x + product if mask is None else torch.addcmul(x, product.to(x.dtype), mask)


class ModernBlock:
    """A layer of ModernBERT that is computed by hand."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._modules = (layer.attn_norm, layer.attn.Wqkv, layer.attn.Wo, layer.mlp_norm, layer.mlp.Wi, layer.mlp.Wo)

    @property
    def is_plain(self) -> bool:
        """No strategy has given a module of it another forward pass: mixout."""
        return not any("forward" in vars(module) for module in self._modules)

    def __call__(self, x: Tensor, packing: Packing, shared: Any) -> Tensor:
        """States [rows, width] → states."""
        layer, attention = self._layer, self._layer.attn
        (cos, sin), reach = shared[layer.attention_type]["position_embeddings"], shared[layer.attention_type]["attention_mask"]
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
            dtype=precision_of(x),
            learns=torch.is_grad_enabled(),
        )
        weights = (getattr(module, name, None) for module in self._modules for name in ("weight", "bias"))
        return ModernLayer.apply(x, shape, *weights)  # type: ignore[no-any-return,no-untyped-call]


def _share(module: nn.Module) -> float:
    return float(module.p) if isinstance(module, nn.Dropout) and module.training else 0.0  # an identity where it is 0

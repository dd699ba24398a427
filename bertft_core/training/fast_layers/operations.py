"""What layers that are computed by hand have in common: residuals, and the gradients of products and norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from bertft_core.training.fast_layers.spread import has_spare_cores, spread

aten = torch.ops.aten
MaybeTensor = Tensor | None
Norm = tuple[Tensor, Tensor, Tensor, Tensor, MaybeTensor]
"""A norm's input, the means and reciprocal deviations of its rows, its weight and bias."""


def precision_of(x: Tensor) -> torch.dtype:
    """What products of these states are computed in."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def residual(x: Tensor, product: Tensor, mask: MaybeTensor) -> Tensor:
    """x + dropout(product)."""
    return x + product if mask is None else torch.addcmul(x, product.to(x.dtype), mask)


def through_dropout(d: Tensor, mask: MaybeTensor, dtype: torch.dtype) -> Tensor:
    """The gradient before a dropout."""
    return (d if mask is None else d * mask).to(dtype)


def norm_backward(d: Tensor, norm: Norm) -> tuple[Tensor, Tensor, MaybeTensor]:
    """The gradients of a norm's input, weight and bias."""
    x, mean, rstd, weight, bias = norm
    learned = [True, True, bias is not None]
    return aten.native_layer_norm_backward(  # type: ignore[no-any-return]
        d.contiguous(), x, [x.shape[1]], mean, rstd, weight, bias, learned
    )


def product_backward(
    d: Tensor, inputs: Tensor, of_weight: bool, of_bias: bool, dtype: torch.dtype
) -> tuple[MaybeTensor, MaybeTensor]:
    """The gradients of a product's weight [outputs, inputs] and bias, as far as they learn."""
    return spread(torch.mm, d.t(), inputs).to(dtype) if of_weight else None, d.sum(0, dtype=dtype) if of_bias else None


def plus_product(d: Tensor, dproduct: Tensor, weight: Tensor) -> Tensor:
    """d + dproduct · weight, in the place of d unless it is spread, which leaves its operands as they are."""
    if d.dtype == dproduct.dtype:
        return spread(torch.addmm, d, dproduct, weight) if has_spare_cores() else d.addmm_(dproduct, weight)
    return d.add_(spread(torch.mm, dproduct, weight))


P = TypeVar("P")


class Prepared(Generic[P]):
    """A layer's parameters as products need them: made for each pass that learns, and once for an evaluation."""

    def __init__(self, make: Callable[[Any, torch.dtype], P]) -> None:
        self._make = make
        self._evaluated: tuple[Any, P] | None = None

    def of(self, weights: Sequence[MaybeTensor], dtype: torch.dtype) -> P:
        """Of a layer's weights, which a step changes in place."""
        if torch.is_grad_enabled():
            self._evaluated = None
            return self._make(weights, dtype)
        key = (dtype, *((id(each), None if each is None else each._version) for each in weights))
        if self._evaluated is None or self._evaluated[0] != key:
            self._evaluated = (key, self._make(weights, dtype))
        return self._evaluated[1]

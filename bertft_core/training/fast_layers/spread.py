"""Operations of a layer on cores that no other run needs, with the bits that they have on the run's own.

Several threads share the outputs of a product, and each output is the same sum in the same order, unless a library cuts the sums
as well. Whether it does depends on the library, the processor and the shape. So it is tried: of each shape both are computed once
from random numbers and compared bit by bit, and where they differ that shape stays on the run's own threads. What it takes there
is kept, so that it is known whether the cores save time: where something else needs them, they save none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bertft_core.training.kernels import current_kernels
from bertft_core.training.spare_cores import SPARE

Key = tuple[Any, ...]

CACHE_LINE_BYTES = 64

APART = 1 << 16
"""Elements between the beginnings of the random operands of an operation."""

_OWN_SECONDS: dict[Key, float | None] = {}
"""Operation, kernels, numbers of threads and layouts → what it takes on the run's own threads; None where the bits differ."""
_RANDOM: dict[tuple[torch.device, torch.dtype], Tensor] = {}


def spread(operation: Callable[..., Tensor], *operands: Tensor | None) -> Tensor:
    """What an operation without side effects gives, computed on spare cores where there are some."""
    own, cores = torch.get_num_threads(), SPARE.cores()
    if cores <= own:
        return operation(*operands)
    key = (operation, current_kernels(), own, cores, *map(_layout, operands))
    if key not in _OWN_SECONDS:
        _OWN_SECONDS[key] = _tried(operation, tuple(_random_like(x, i) for i, x in enumerate(operands)), own, cores)
    own_seconds = _OWN_SECONDS[key]
    if own_seconds is None:
        return operation(*operands)
    started = time.perf_counter()
    result = _on_threads(cores, own, operation, operands)
    SPARE.have_saved(own_seconds - (time.perf_counter() - started))
    return result


def _tried(operation: Callable[..., Tensor], operands: tuple[Tensor | None, ...], own: int, cores: int) -> float | None:
    started = time.perf_counter()
    result = operation(*operands)
    seconds = time.perf_counter() - started
    return seconds if has_same_bits(result, _on_threads(cores, own, operation, operands)) else None


def has_spare_cores() -> bool:
    """More cores than the run's own threads may be used now."""
    return SPARE.cores() > torch.get_num_threads()


def _layout(x: Tensor | None) -> Key | None:
    return None if x is None else (x.shape, x.stride(), _offset(x), x.dtype, x.device)


def _random_like(x: Tensor | None, position: int) -> Tensor | None:
    """Of the same layout. A run's own numbers may be zeros or no numbers at times, whose sums are the same in any order."""
    if x is None:
        return None
    begin, kind = position * APART + _offset(x), (x.device, x.dtype)
    size = begin + 1 + sum(max(n - 1, 0) * stride for n, stride in zip(x.shape, x.stride(), strict=True))
    if kind not in _RANDOM or len(_RANDOM[kind]) < size:  # drawing them takes longer than most operations
        _RANDOM[kind] = torch.randn(2 * size, generator=torch.Generator().manual_seed(size)).to(*kind)
    return _RANDOM[kind].as_strided(x.shape, x.stride(), begin)


def _offset(x: Tensor) -> int:
    """Elements between where it begins and the cache line: libraries may choose by it how they sum."""
    return x.data_ptr() % CACHE_LINE_BYTES // x.element_size()


def _on_threads(n: int, own: int, operation: Callable[..., Tensor], operands: tuple[Tensor | None, ...]) -> Tensor:
    torch.set_num_threads(n)
    try:
        return operation(*operands)
    finally:
        torch.set_num_threads(own)


def has_same_bits(a: Tensor, b: Tensor) -> bool:
    """Also where some are no numbers."""
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))

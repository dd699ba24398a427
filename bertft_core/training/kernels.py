"""What computes fp32 matrix products on a CPU: torch's default, which is MKL on x86, or oneDNN, twice as fast on some CPUs.

torch has one switch for it, meant for something else: the precision "bf16" permits oneDNN to compute in bf16. A CPU without
matrix units (AMX) does not take the permission, and the products are exact. One with them may; so the error is measured.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bertft_core.records.compute import Kernels
from bertft_core.training.kernel_probe import KernelProbe, inexact, is_exact

SWITCH: dict[Kernels, str] = {"mkl": "none", "onednn": "bf16"}
N_TIMES = 5
TOKENS, WIDTH, INNER = 432, 384, 1536
"""Of the products that are tried: a batch of MiniLM, whose layers are the smallest that are common."""
N_HEADS, LENGTH, OF_HEAD = 192, 48, 32

Factors = tuple[tuple[Tensor, Tensor], ...]


def set_kernels(kernels: Kernels) -> None:
    """Have this process compute with them from now on. Raises `UserError` where oneDNN is asked for and not exact here."""
    if kernels == "onednn" and not is_exact(_onednn_error()):
        raise inexact(_onednn_error())
    if _has_switch():
        _switch(kernels)


def current_kernels() -> Kernels:
    """What this process computes with."""
    return "onednn" if _has_switch() and _products().fp32_precision == SWITCH["onednn"] else "mkl"


@contextmanager
def kernels_set(kernels: Kernels) -> Iterator[None]:
    """Computing with them in the block."""
    before = current_kernels()
    set_kernels(kernels)
    try:
        yield
    finally:
        set_kernels(before)


def is_exact_here() -> bool:
    """Whether oneDNN computes fp32 products in fp32 on this machine; a few hundredths of a second, once."""
    return is_exact(_onednn_error())


def probe_kernels(threads: int) -> KernelProbe:
    """Measure both kernels in this process, with this many threads; its settings are as before afterwards."""
    before, kept_threads, factors = current_kernels(), torch.get_num_threads(), _factors()
    torch.set_num_threads(threads)
    try:
        mkl_error = _error("mkl", factors)
        if not _has_switch():
            return KernelProbe(1.0, mkl_error, None)
        seconds: dict[Kernels, list[float]] = {"mkl": [], "onednn": []}
        for _ in range(N_TIMES):  # in turns, since other processes come and go
            for kernels, of_these in seconds.items():
                _switch(kernels)
                of_these.append(_seconds(factors))
        speedup = min(seconds["mkl"]) / min(seconds["onednn"])
        return KernelProbe(speedup, mkl_error, _error("onednn", factors))
    finally:
        torch.set_num_threads(kept_threads)
        if _has_switch():
            _switch(before)


@functools.cache
def _onednn_error() -> float | None:
    if not _has_switch():
        return None
    before = current_kernels()
    try:
        return _error("onednn", _factors())
    finally:
        _switch(before)


def _has_switch() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(_products(), "fp32_precision")


def _products() -> Any:
    """torch's settings of oneDNN's matrix products; None in a torch that is too old for them."""
    return getattr(torch.backends.mkldnn, "matmul", None)


def _switch(kernels: Kernels) -> None:
    _products().fp32_precision = SWITCH[kernels]


def _factors() -> Factors:
    """The three products of a linear layer's step, forward and of both gradients, and one of attention scores."""
    rng = torch.Generator().manual_seed(0)
    x, weight, dy = (torch.randn(*shape, generator=rng) for shape in ((TOKENS, WIDTH), (INNER, WIDTH), (TOKENS, INNER)))
    queries, keys = (torch.randn(N_HEADS, LENGTH, OF_HEAD, generator=rng) for _ in range(2))
    return (x, weight.t()), (dy, weight), (dy.t(), x), (queries, keys.transpose(1, 2))


def _seconds(factors: Factors) -> float:
    """Of this process: a core that another one takes meanwhile is no kernel's fault."""
    started = time.process_time()
    for left, right in factors:
        left @ right
    return time.process_time() - started


def _error(kernels: Kernels, factors: Factors) -> float:
    """The largest error of any element against float64, as a share of its product's largest; leaves these kernels set."""
    if _has_switch():
        _switch(kernels)
    errors = []
    for left, right in factors:
        exact = left.double() @ right.double()
        errors.append(float(((left @ right).double() - exact).abs().max() / exact.abs().max()))
    return max(errors)

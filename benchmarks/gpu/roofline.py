"""The fastest matrix products of this device, in the same run as what they are compared with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmarks.gpu.study import Size

N_TIMED, N_WARM = 10, 3
Shape = tuple[int, int, int]
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


def peaks(device: str, size: Size, n_tokens: int, square: int) -> dict[str, dict[str, float]]:
    """Precision → TFLOP/s of a large square product, and of the largest product of a step with `n_tokens` tokens."""
    shapes = {"square": (square,) * 3, "of_a_step": (n_tokens, size.hidden, size.intermediate)}
    precisions = DTYPES if device == "cuda" else {name: DTYPES[name] for name in ("fp32", "bf16")}
    found = {name: {kind: tflops(device, name, shape) for kind, shape in shapes.items()} for name in precisions}
    if device == "cuda":
        torch.cuda.empty_cache()
    return found


def tflops(device: str, precision: str, shape: Shape) -> float:
    """What a product [rows, inner] · [inner, columns] reaches."""
    rows, inner, columns = shape
    left = torch.randn(rows, inner, device=device, dtype=DTYPES[precision])
    right = torch.randn(inner, columns, device=device, dtype=DTYPES[precision])
    with _tf32(precision == "tf32"):
        for _ in range(N_WARM):
            left @ right
        seconds = statistics.median(_seconds(left, right, device) for _ in range(N_TIMED))
    return 2.0 * rows * inner * columns / seconds / 1e12


def _seconds(left: torch.Tensor, right: torch.Tensor, device: str) -> float:
    if device == "cpu":
        started = time.perf_counter()
        left @ right
        return time.perf_counter() - started
    started_at, ended_at = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    started_at.record()
    left @ right
    ended_at.record()
    ended_at.synchronize()
    return float(started_at.elapsed_time(ended_at)) / 1e3


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before

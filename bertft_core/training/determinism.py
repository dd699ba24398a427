"""Torch's settings and generators: the only place that touches torch's global random state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.utils.deterministic

from bertft_core.records.compute import FIRST, Compute
from bertft_core.seeds import derive_seed
from bertft_core.training.kernels import set_kernels

ATTENTION = (
    (False, torch.backends.cuda.enable_flash_sdp),
    (False, torch.backends.cuda.enable_cudnn_sdp),
    (True, torch.backends.cuda.enable_mem_efficient_sdp),
    (True, torch.backends.cuda.enable_math_sdp),
)
"""Whether a GPU may use a kernel, and what switches it; a CPU has torch's own choice."""


def configure(threads: int, device: torch.device, compute: Compute = FIRST) -> None:
    """Fix what changes floating-point results: thread count, kernels, algorithms, TF32, attention; whatever was set before.

    Of torch's kernels for attention a GPU takes the memory-efficient one, or plain products: the only ones that read a mask and
    whose gradient has the same bits each time. Left alone, torch chooses by versions, shapes and precision.

    Raises `UserError` where this machine cannot compute with these kernels.
    """
    torch.set_num_threads(threads)
    set_kernels(compute.kernels)
    on_gpu = device.type == "cuda"
    for is_wanted, enable in ATTENTION:
        enable(is_wanted or not on_gpu)
    if on_gpu:
        torch.set_deterministic_debug_mode("error")  # `use_deterministic_algorithms` imports torch's compiler
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


@contextmanager
def init_stream(init_seed: int) -> Iterator[None]:
    """New weights drawn inside come from the init stream; the generators outside are not touched."""
    with torch.random.fork_rng():
        torch.manual_seed(init_seed)
        yield


def enter_dropout_stream(dropout_seed: int, step: int, micro: int) -> None:
    """Seed the next forward pass.

    The stream has no state: a pass depends only on its step, not on earlier evaluations, resumes or other runs.
    """
    seed = derive_seed(dropout_seed, "step", step, micro)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # else `torch.manual_seed` would note the whole stack each time, for the day that it is
        torch.cuda.manual_seed_all(seed)


def masking_draw(dropout_seed: int, step: int) -> Callable[[int], np.random.Generator]:
    """The masking stream: a generator for each example of a step, which depends only on step and example.

    So masks do not depend on how a step is split into microbatches, nor on resumes. The stream shares the dropout seed: both
    are noise in the training loss.
    """
    return lambda example: np.random.default_rng(derive_seed(dropout_seed, "mask", step, example))

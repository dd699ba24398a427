"""One thread for numpy's matrix products while many small ones are computed.

OpenBLAS spreads each product over all cores and lets them wait for the next one by spinning: of a study of 1,000 runs the
statistics took twice the processor time so, and no less time on the clock where other work was on the machine.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)
"""How OpenBLAS is built into numpy: as in its wheels, or as systems have it."""

_LOCK = threading.Lock()
_OPEN: list[int] = []
"""Threads that each block which has not ended has found, the first one first."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """For the block, in the whole process; nothing where numpy has another library, such as MKL."""
    functions = _functions()
    if functions is None:
        yield
        return
    n_threads, set_threads = functions
    with _LOCK:
        _OPEN.append(n_threads())
        set_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            before = _OPEN.pop()  # of blocks in several threads the first has seen what was before all of them
            if not _OPEN:
                set_threads(before)


def _functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """What tells and what sets the number of threads; they are found in the libraries that numpy has loaded."""
    with suppress(OSError):
        numpy = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
        for name in NAMES:
            with suppress(AttributeError):
                return getattr(numpy, name.format("get")), getattr(numpy, name.format("set"))
    return None

"""What allocates the memory of a worker: one that keeps what is freed, since every step needs the same again.

By default the C library gives large blocks back to the system at once, and each step faults its pages in anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

PLACES = (
    "/usr/lib/*/libjemalloc.so.2",
    "/usr/lib*/libjemalloc.so.2",
    "/usr/local/lib/libjemalloc.so.2",
    "/opt/*/lib/libjemalloc.so.2",
)
"""Where distributions put jemalloc, which is faster still; nothing needs it."""
SETTINGS = "oversize_threshold:0,dirty_decay_ms:-1,lg_extent_max_active_fit:10"
"""Of jemalloc: within a run nothing is given back, be it large or small, and a small block may come out of a large free one.

As it comes, it gives pages back several times a step; docs/benchmarks/allocators.md shows what that costs.
"""
ALL_ARENAS = 4096
"""What jemalloc's `arena.<i>.purge` takes for every arena."""
KEPT_BYTES = 2**31 - 1
TUNABLES = {
    "hugetlb": 1,  # transparent huge pages
    "mmap_threshold": 2**25,  # the largest that is allowed
    "trim_threshold": KEPT_BYTES,
    "top_pad": 2**26,
}
"""Of glibc's malloc."""


def allocator_environment() -> dict[str, str]:
    """Variables for a worker's environment; none where the user has chosen an allocator or its settings."""
    if os.environ.get("LD_PRELOAD") or os.environ.get("GLIBC_TUNABLES"):
        return {}
    library = next((path for pattern in PLACES for path in sorted(Path("/").glob(pattern[1:]))), None)
    if library is not None:
        return {"LD_PRELOAD": str(library), "MALLOC_CONF": os.environ.get("MALLOC_CONF", SETTINGS)}
    return glibc_tunables()


def glibc_tunables() -> dict[str, str]:
    """The variable that sets glibc's malloc up."""
    return {"GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={value}" for name, value in TUNABLES.items())}


def give_back() -> None:
    """Give memory that is free to the system; nothing where the allocator of this process is neither of the two."""
    process = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):  # jemalloc, where it was preloaded
        process.mallctl(f"arena.{ALL_ARENAS}.purge".encode(), None, None, None, ctypes.c_size_t(0))
        return
    with contextlib.suppress(AttributeError):
        process.malloc_trim(0)

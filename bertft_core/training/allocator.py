"""What allocates the memory of a worker: one that keeps what is freed, since every step needs the same again.

By default the C library gives large blocks back to the system at once, and each step faults its pages in anew.
"""

from __future__ import annotations

import os
from pathlib import Path

PLACES = (
    "/usr/lib/*/libjemalloc.so.2",
    "/usr/lib*/libjemalloc.so.2",
    "/usr/local/lib/libjemalloc.so.2",
    "/opt/*/lib/libjemalloc.so.2",
)
"""Where distributions put jemalloc, which is faster still; nothing needs it."""
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
        return {"LD_PRELOAD": str(library)}
    return {"GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={value}" for name, value in TUNABLES.items())}

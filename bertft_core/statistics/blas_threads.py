"""One thread for numpy's matrix products while many small ones are computed.

OpenBLAS spreads each product over all cores and lets them wait for the next one by spinning: of a study of 1,000 runs the
statistics took twice the processor time so, and no less time on the clock where other work was on the machine.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_LOCK = threading.Lock()
_OPEN: list[threadpool_limits] = []
"""What each block that has not ended has set: the first one knows what was before all of them, in several threads too."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """For the block, in the whole process."""
    with _LOCK:
        _OPEN.append(threadpool_limits(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _LOCK:
            limits = _OPEN.pop()
            if not _OPEN:
                limits.restore_original_limits()

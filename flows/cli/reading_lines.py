"""A line now and then while a large file is read: small files are never mentioned."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bertft_core.data.reading_progress import READING
from flows.cli.terminal import say

EVERY_SECONDS = 5.0
"""Between two lines, and before the first one of a file."""
UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


class ReadingLines(logging.Handler):
    """Prints how much of a file has been read, from the records of `bertft_core.data.reading_progress`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._path: Path | None = None
        self._n_bytes, self._last = 0, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        path, n_bytes, size = (getattr(record, name) for name in ("file_path", "bytes_read", "file_bytes"))
        now = self._clock()
        if path != self._path or n_bytes < self._n_bytes:  # another file, or the same from its beginning
            self._path, self._last = path, now
        elif now - self._last >= EVERY_SECONDS and size:
            unit, factor = next(((name, factor) for name, factor in UNITS if size >= factor), ("bytes", 1))
            digits = 0 if factor == 1 else 1
            share = f"{n_bytes / factor:,.{digits}f} of {size / factor:,.{digits}f} {unit} ({100 * n_bytes / size:.0f} %)"
            say(f"reading {path.name}: {share}", file=sys.stderr, flush=True)
            self._last = now
        self._n_bytes = n_bytes


@contextmanager
def reading_shown(lines: ReadingLines) -> Iterator[None]:
    """`lines` alone hears of every file that is read in the block: no other handler prints its many records."""
    level, propagate = READING.level, READING.propagate
    READING.addHandler(lines)
    READING.setLevel(logging.INFO)
    READING.propagate = False
    try:
        yield
    finally:
        READING.removeHandler(lines)
        READING.setLevel(level)
        READING.propagate = propagate

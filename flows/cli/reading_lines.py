"""A line now and then while a large file is read and tokenised: small files are never mentioned."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bertft_core.data.reading_progress import READING
from flows.cli.terminal import note

EVERY_SECONDS = 5.0
"""Between two lines, and before the first one of a file."""
UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


class ReadingLines(logging.Handler):
    """Prints how much of a file has been read or tokenised, from the records of `bertft_core.data.reading_progress`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._what: str | None = None
        self._n_done, self._last = 0, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        what, n, size, unit = (getattr(record, name) for name in ("what", "n_done", "n_in_all", "unit"))
        now = self._clock()
        if what != self._what or n < self._n_done:  # another file, or the same from its beginning
            self._what, self._last = what, now
        elif now - self._last >= EVERY_SECONDS and size:
            units = UNITS if unit == "bytes" else ()
            unit, factor = next(((name, factor) for name, factor in units if size >= factor), (unit, 1))
            digits = 0 if factor == 1 else 1
            share = f"{n / factor:,.{digits}f} of {size / factor:,.{digits}f} {unit} ({100 * n / size:.0f} %)"
            note(f"{what}: {share}")
            self._last = now
        self._n_done = n


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

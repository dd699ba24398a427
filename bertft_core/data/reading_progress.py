"""How far a file has been read, and texts tokenised: records of the logger `bertft_core.data.reading_progress`, one a piece."""

import logging
from pathlib import Path

READING = logging.getLogger(__name__)
"""Silent unless its level is INFO or lower; a record has `what`, `n_done`, `n_in_all` and `unit`, bytes or texts."""


def has_read(path: Path, n_bytes: int, size: int) -> None:
    """Log how many bytes of a file have been read, of its `size`; of a compressed file, compressed bytes."""
    _log(f"reading {path.name}", n_bytes, size, "bytes")


def has_tokenised(n: int, n_texts: int) -> None:
    """Log how many of `n_texts` texts have been tokenised."""
    _log("tokenising", n, n_texts, "texts")


def _log(what: str, n: int, n_in_all: int, unit: str) -> None:
    numbers = {"what": what, "n_done": n, "n_in_all": n_in_all, "unit": unit}
    READING.info("%s: %d of %d %s", what, n, n_in_all, unit, extra=numbers)

"""How far a file has been read: records of the standard logger `bertft_core.data.reading_progress`, one for each piece."""

import logging
from pathlib import Path

READING = logging.getLogger(__name__)
"""Silent unless its level is INFO or lower; a record has `file_path`, `bytes_read` and `file_bytes`."""


def has_read(path: Path, n_bytes: int, size: int) -> None:
    """Log how many bytes of a file have been read, of its `size`; of a compressed file, compressed bytes."""
    numbers = {"file_path": path, "bytes_read": n_bytes, "file_bytes": size}
    READING.info("%s: %d of %d bytes have been read", path, n_bytes, size, extra=numbers)

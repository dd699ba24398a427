"""Tokenised splits on disk: a folder by fingerprint that is there completely or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from bertft_core.data.prepared import PreparedSplit, open_split


def load_or_make(
    directory: Path, sizes: Mapping[str, int], make: Callable[[], Mapping[str, pa.Table]]
) -> dict[str, PreparedSplit]:
    """Open every split of a folder; when one is missing or torn, make and write them all first.

    `sizes` is split → number of examples. Studies that want the same data at the same time wait for one of them to make it.
    """
    prepared = _open(directory, sizes)
    if prepared is None:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.parent / f".{directory.name[:16]}.lock"):
            prepared = _open(directory, sizes)
            if prepared is None:
                _write(directory, make())
                prepared = _open(directory, sizes)
    if prepared is None:
        raise OSError(f"{directory}: the splits just written cannot be read back")
    return prepared


def _open(directory: Path, sizes: Mapping[str, int]) -> dict[str, PreparedSplit] | None:
    try:
        prepared = {name: open_split(directory, name) for name in sizes}
    except (OSError, pa.ArrowInvalid):
        return None
    return prepared if all(prepared[name].n == n for name, n in sizes.items()) else None


def _write(directory: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write into a temporary folder beside, flush, rename."""
    part = directory.with_name(f".{directory.name[:16]}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a killed process; the lock says that nobody writes there now
    part.mkdir(parents=True)
    for name, table in tables.items():
        with (part / f"{name}.arrow").open("wb") as file:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            file.flush()
            os.fsync(file.fileno())
    shutil.rmtree(directory, ignore_errors=True)  # torn, or `_open` would have taken it
    part.rename(directory)

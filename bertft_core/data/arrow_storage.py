"""Tokenised splits on disk: one folder per fingerprint, written atomically, with the SHA-256 of each file."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from bertft_core.data.prepared_damage import CHECKSUMS_FILE, Checksums, find_damage
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.storage.damage import SUFFIX, Tell, removed
from bertft_core.storage.study_dir import file_sha256, write_record


def load_or_make(
    directory: Path,
    sizes: Mapping[str, int],
    make: Callable[[], Mapping[str, pa.Table]],
    tell: Tell = lambda problem: None,
) -> dict[str, PreparedSplit]:
    """Open every split of a folder; if one is missing or damaged, make and write all of them first.

    `sizes` is split → number of examples. Concurrent studies with the same data wait for one of them to make it.
    """
    prepared = _open(directory, sizes)
    if prepared is None:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock_path(directory)):
            prepared = _open(directory, sizes)
            if prepared is None:
                tables = make()  # before anything is set aside and reported: it may fail, or be left to another process
                for damage in find_damage(directory, sizes):
                    tell(removed(damage, directory.parent.parent))
                _write(directory, tables)
                prepared = _open(directory, sizes)
    if prepared is None:
        raise OSError(f"{directory}: the splits just written cannot be read back")
    return prepared


def lock_path(directory: Path) -> Path:
    """The lock to hold while making or deleting a data folder."""
    return directory.parent / f".{directory.name[:16]}.lock"


def part_path(directory: Path) -> Path:
    """Where a data folder is made, and moved before it is deleted: no study opens it there."""
    return directory.with_name(f".{directory.name[:16]}.part")


def _open(directory: Path, sizes: Mapping[str, int]) -> dict[str, PreparedSplit] | None:
    if not directory.is_dir() or find_damage(directory, sizes):
        return None
    try:
        prepared = {name: open_split(directory, name) for name in sizes}
    except (OSError, pa.ArrowInvalid):
        return None
    return prepared if all(prepared[name].n == n for name, n in sizes.items()) else None


def _write(directory: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write into a temporary sibling folder, flush, rename."""
    part = part_path(directory)
    shutil.rmtree(part, ignore_errors=True)  # left by a killed process; with the lock held, nobody else writes there
    part.mkdir(parents=True)
    for name, table in tables.items():
        with (part / f"{name}.arrow").open("wb") as file:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            file.flush()
            os.fsync(file.fileno())
    write_record(part / CHECKSUMS_FILE, Checksums(files={path.name: file_sha256(path) for path in part.glob("*.arrow")}))
    for aside in directory.glob(f"*{SUFFIX}"):
        aside.rename(part / aside.name)
    shutil.rmtree(directory, ignore_errors=True)  # damaged, or `_open` would have opened it
    part.rename(directory)

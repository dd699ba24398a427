"""The folder of a machine that artifacts are cached in: which of them are in use, and which go when it is full.

<cache>/<kind>/<name>/           the files
<cache>/<kind>/.<name>.manifest  its time is that of the last use
<cache>/<kind>/.<name>.use       locked, for as many readers as there are, while processes use the artifact
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from bertft_core.storage.retention import folder_bytes

LIMIT_BYTES = 50 * 2**30
"""Of all that is cached on a machine."""


def lock_of(folder: Path) -> FileLock:
    """Held by whoever downloads or deletes an artifact."""
    return FileLock(_beside(folder, "lock"))


def manifest_path(folder: Path) -> Path:
    """What the files of a cached artifact are to be."""
    return _beside(folder, "manifest")


def mark_used(folder: Path) -> BinaryIO:
    """Say that an artifact is used until this file is closed, at the latest when the process ends. The caller holds its lock."""
    os.utime(manifest_path(folder))
    file = _beside(folder, "use").open("wb")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def shrink(cache_dir: Path, limit_bytes: int) -> list[Path]:
    """Delete what was used least recently, and is not in use, until the rest is within the limit; what was deleted."""
    cached = [path.with_name(path.name[1:].removesuffix(".manifest")) for path in cache_dir.glob("*/.*.manifest")]
    sizes = {folder: folder_bytes(folder) for folder in cached if folder.is_dir()}
    total, deleted = sum(sizes.values()), []
    for folder in sorted(sizes, key=_last_use):
        if total <= limit_bytes:
            break
        if _deleted(folder):
            total -= sizes[folder]
            deleted.append(folder)
    return deleted


def _deleted(folder: Path) -> bool:
    """The artifact is deleted, because nobody uses or downloads it."""
    try:
        with lock_of(folder).acquire(timeout=0), _beside(folder, "use").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
            manifest_path(folder).unlink(missing_ok=True)  # last: an artifact that is deleted in part is found again
    except (Timeout, OSError):
        return False
    return True


def _last_use(folder: Path) -> float:
    try:
        return manifest_path(folder).stat().st_mtime
    except FileNotFoundError:  # another process deletes it
        return 0.0


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")

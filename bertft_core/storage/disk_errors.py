"""A full or read-only disk, reported as a user error, whichever library ran into it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bertft_core.config.errors import UserError

FULL = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the quota of this user is used up",
    errno.EFBIG: "the file would be larger than this user may write (ulimit -f)",
}
CLOSED = {
    errno.EROFS: "the disk can only be read",
    errno.EACCES: "this user may not read or write there",
    errno.EPERM: "this user may not read or write there",
}
OTHER_KIND = {
    errno.EISDIR: "a folder is in the place of a file",
    errno.ENOTDIR: "a file is in the place of a folder",
    errno.EEXIST: "a file is in the place of a folder",
    errno.ELOOP: "a link leads to itself",
}
PROBE_BYTES = 256 * 1024
"""A disk with less than this is full: a record and a checkpoint's position need as much."""

DATABASE_LOG_BYTES = 8 * 1024 * 1024
"""SQLite's log of what is not yet in the database can become as large."""


def disk_error(error: BaseException, directory: Path) -> UserError | None:
    """The message for an error that a full or closed disk has caused; None when the disk is not the reason.

    Libraries hide the reason (safetensors, SQLite behind a server), so where the error does not say it, a file is written to the
    folder and deleted again.
    """
    user_error = disk_user_error(error)
    if user_error is not None:
        return user_error
    number = _probed(directory)
    return None if number is None else _message(number, directory)


def disk_user_error(error: BaseException) -> UserError | None:
    """The message for an error that itself names the disk, or what is in a file's place, as its reason."""
    if not isinstance(error, OSError):
        return None
    named = [name for name in (error.filename2, error.filename) if isinstance(name, str)]  # of a rename, the target
    if named and error.errno in OTHER_KIND:
        return _other_kind(error.errno, named[0])
    return _message(error.errno, named[-1] if named else None) if error.errno in FULL | CLOSED else None


def _other_kind(number: int, where: str) -> UserError:
    return UserError(
        OTHER_KIND[number],
        code="disk.other-kind",
        path=where,
        expected="what bertft writes there",
        hint="move it away; what is missing is then made again",
    )


def _message(number: int, where: str | Path | None) -> UserError:
    if number in CLOSED:
        hint = "give this user the right to read and write it, or choose another --home"
    elif number == errno.EFBIG:
        hint = "raise the limit with ulimit -f"
    else:
        hint = "free some space (bertft clean lists what can go)"
    return UserError(
        (FULL | CLOSED)[number],
        code="disk.full-or-closed",
        path=where,
        expected="a folder that can be read and written, with space for the results (bertft plan says how much)",
        hint=f"{hint}; what is finished is kept, and the same command goes on from there",
    )


def _probed(directory: Path) -> int | None:
    """The error that writing to the nearest folder that is there gives, if the disk is the reason."""
    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    largest = max((entry.stat().st_size for entry in directory.iterdir() if entry.is_file()), default=0)
    path = directory / f".probe.{os.getpid()}.part"
    try:
        with path.open("wb") as file:
            file.write(b"\x00" * PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
            file.truncate(largest + DATABASE_LOG_BYTES)  # takes no space, but is refused where `ulimit -f` is less
    except OSError as error:
        return error.errno if error.errno in FULL | CLOSED else None
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return None


@contextmanager
def disk_errors_explained(directory: Path) -> Iterator[None]:
    """Raise `UserError` in place of an error of the block that a full or closed disk at this folder has caused."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        user_error = disk_error(error, directory)
        if user_error is None:
            raise
        raise user_error from None

"""Paths that a file system can hold and every record, page and address can name."""

import re
from pathlib import Path

from bertft_core.config.addresses import without_password
from bertft_core.config.errors import UserError

MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 4095
"""Of Linux's file systems."""
ADDRESS = re.compile(r"(https?|ftps?|sftp|ssh|s3|gs|gcs|hf|hdfs|abfss?|az|file):/", re.IGNORECASE)
"""What an address begins with, also one whose second slash `pathlib` has removed."""


def checked_path(given: str | Path, named: str, *, path: str | None = None, line: int | None = None) -> Path:
    """The path with `~` expanded; `named` is what gives it, such as '--home', and `path` and `line` where.

    Raises `UserError` for an address, a NUL byte, bytes that are not UTF-8, a name or a path too long, and an unknown `~user`.
    """
    if (address := address_error(given, named, path=path, line=line)) is not None:
        raise address
    problem = _problem(str(given))
    if problem is None:
        try:
            return Path(given).expanduser()
        except RuntimeError:
            problem = "the home folder of a user that does not exist"
    raise UserError(
        f"{named}: no file can have this path",
        code="path.unusable",
        path=path,
        line=line,
        found=problem,
        expected=f"a path in UTF-8, with at most {MAX_NAME_BYTES} bytes in a name and {MAX_PATH_BYTES} in all",
        hint="name another file or folder, or rename this one",
    )


def address_error(given: str | Path, named: str, *, path: str | None = None, line: int | None = None) -> UserError | None:
    """The error for an address on the network where a path is meant; None for a path."""
    if not ADDRESS.match(str(given)):
        return None
    return UserError(
        f"{named}: addresses are not read",
        code="path.address",
        path=path,
        line=line,
        found=without_password(str(given)),
        expected="a file or folder of this machine",
        hint="download it, and name the file or folder that it is in then",
    )


def _problem(text: str) -> str | None:
    try:
        content = text.encode()
    except UnicodeEncodeError:
        return f"bytes that are not UTF-8: {text.encode('utf-8', 'surrogateescape')!r}"
    if not content:
        return "an empty text"
    if b"\0" in content:
        return "a NUL byte"
    longest = max(map(len, content.split(b"/")))
    if longest > MAX_NAME_BYTES:
        return f"a name of {longest} bytes"
    return f"a path of {len(content)} bytes" if len(content) > MAX_PATH_BYTES else None

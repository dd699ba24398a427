"""The text of a config file: a regular file of UTF-8, small enough to be a study."""

import os
import stat
from pathlib import Path

from bertft_core.config.errors import UserError

MAX_BYTES = 1 << 20
WIDE = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte-order marks; that of UTF-32 may begin as that of UTF-16."""
COPY_IT = "write it to a file first: a study is read more than once"


def config_text(path: Path) -> str:
    """What a config file says, without a byte-order mark; raises `UserError` for anything that is not text in UTF-8."""
    try:
        kind = path.stat()
    except OSError as error:
        raise _refused(path, os.strerror(error.errno or 0), "check the path", code="config.unreadable") from None
    if stat.S_ISDIR(kind.st_mode):
        raise _refused(path, "a folder", "name a file in it", code="config.is-folder")
    if not stat.S_ISREG(kind.st_mode):
        raise _refused(path, "a pipe or a device", COPY_IT, code="config.is-special")
    if kind.st_size > MAX_BYTES:
        hint = f"a study has at most {MAX_BYTES:,} bytes; if this is a data file, write a study that names it as data.train"
        raise _refused(path, f"{kind.st_size:,} bytes", hint, code="config.file-too-large")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(
            path, os.strerror(error.errno or 0), "make the file readable for this user", code="config.unreadable"
        ) from None
    wide = next((named for mark, named in WIDE.items() if content.startswith(mark)), None)
    if wide is not None:
        raise _refused(path, wide, "save the file as UTF-8", code="config.utf-16", line=1)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        found = f"byte 0x{byte:02x}, which Latin-1 reads as '{chr(byte)}'" if byte >= 0xA0 else f"byte 0x{byte:02x}"
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _refused(path, found, "save the file as UTF-8", code="config.wrong-encoding", line=line) from None


def _refused(path: Path, found: str, hint: str, *, code: str, line: int | None = None) -> UserError:
    return UserError(
        "the config cannot be read",
        code=code,
        path=path,
        line=line,
        found=found,
        expected="a YAML file in UTF-8",
        hint=hint,
    )

"""Shared by all formats: bytes and text of a file (plain or gzip, UTF-8), and their common errors."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.config.errors import did_you_mean
from bertft_core.data.examples import shorten

BOM = b"\xef\xbb\xbf"
GZIP_START = b"\x1f\x8b"
GZIP_ENDING = ".gz"


def bytes_of(path: Path) -> bytes:
    """The whole file, decompressed if its name ends in .gz; a damaged gzip file is a `UserError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            "the file cannot be read", code="file.unreadable", path=path, found=str(error), hint="check its permissions"
        ) from None
    if path.suffix.lower() != GZIP_ENDING:
        return data
    try:
        if not data:
            raise EOFError("the file is empty")  # gzip itself reads an empty file as an empty text
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        damaged = data.startswith(GZIP_START)
        raise UserError(
            "the gzip file is damaged" if damaged else "this is not a gzip file",
            code="file.damaged-gzip",
            path=path,
            found=str(error),
            expected="a complete gzip file, as its ending .gz says",
            hint="copy or compress it again" if damaged else "compress it, or remove .gz from its name",
        ) from None


def text_of(path: Path) -> str:
    """The whole file as text, with its line ends; bytes that are not UTF-8 are a `UserError` with their line."""
    data = bytes_of(path).removeprefix(BOM)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        compressed = data.startswith(GZIP_START)
        raise UserError(
            "the file is not UTF-8",
            code="file.not-utf8",
            path=path,
            line=data.count(b"\n", 0, error.start) + 1,
            found="a gzip file" if compressed else f"byte 0x{data[error.start]:02x}, {error.reason}",
            expected="text in UTF-8",
            hint="rename it to end in .gz" if compressed else "save it as UTF-8 (for example with iconv)",
        ) from None


def lines_of(path: Path) -> list[str]:
    """The lines without their ends (LF or CRLF); not `splitlines`, because a word or a text may contain U+0085 or U+2028."""
    return [line.rstrip("\r") for line in text_of(path).split("\n")]


def wanted_columns(path: Path, columns: Sequence[str], default: tuple[str, ...], gives: str) -> tuple[str, ...]:
    """The columns, or the default if none are named; a `UserError` if the format has another number of columns."""
    if len(columns) not in (0, len(default)):
        raise UserError(
            "files of this format do not fit the head",
            code="file.format-of-head",
            path=path,
            found=gives,
            expected=f"the columns {', '.join(columns)}",
            hint="choose a head that fits the file, or set data.format if the ending is misleading",
        )
    return tuple(columns) or default


def no_file(path: Path, expected: str, check: str) -> UserError:
    """The error for a path that does not exist, with the nearest name, or that is a folder."""
    if path.is_dir():
        inside = sorted(item.name for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
        holds = f"a folder with {shorten(', '.join(inside), 120)}" if inside else "a folder without files"
        hint = f"name a file in it, such as {path / inside[0]}" if inside else check
        return UserError(
            "this is a folder, not a file", code="file.is-folder", path=path, found=holds, expected=expected, hint=hint
        )
    near = did_you_mean(path.name, [item.name for item in path.parent.iterdir()]) if path.parent.is_dir() else None
    return UserError("file not found", code="file.not-found", path=path, expected=expected, hint=near or check)


def empty_file(path: Path, expected: str) -> UserError:
    """The error for an empty file."""
    return UserError("the file is empty", code="file.empty", path=path, line=1, expected=expected, hint="add content")

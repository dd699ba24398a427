"""Shared by all formats: bytes, text and lines of a file (plain or gzip), as a stream of bounded size, and common errors."""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.paths import address_error
from bertft_core.data.examples import shorten
from bertft_core.data.readers.decoding import GZIP_START, decoded
from bertft_core.data.readers.file_options import DEFAULTS, LINES_PER_ROW, FileOptions
from bertft_core.data.reading_progress import has_read
from bertft_core.storage.foreign_content import foreign_start

GZIP_ENDING = ".gz"
OF_ANOTHER_FORMAT = ("conll", "json", "table.")
"""How codes begin that a page or an archive under the name of a data file provokes, beside those that look for one themselves."""
AnyRow = TypeVar("AnyRow")
N_CHUNK = 2**20
"""Bytes that are read at once."""


def chunks_of(path: Path, options: FileOptions = DEFAULTS) -> Iterator[bytes]:
    """The bytes of a file in pieces, decompressed if its name ends in .gz.

    Raises `UserError` for a damaged gzip file and at the first byte beyond `options.max_bytes`.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if path.suffix.lower() == GZIP_ENDING:
                chunks = _decompressed(file, path)
            elif size > options.max_bytes:
                raise too_large(path, f"{in_units(size)}", options)
            else:
                chunks = iter(lambda: file.read(N_CHUNK), b"")
            for chunk in _limited(chunks, path, options, size):
                has_read(path, file.tell(), size)
                yield chunk
    except OSError as error:
        raise UserError(
            "the file cannot be read",
            code="file.unreadable",
            path=path,
            found=error.strerror or str(error),
            hint="check its permissions",
        ) from None


def _limited(chunks: Iterable[bytes], path: Path, options: FileOptions, size: int) -> Iterator[bytes]:
    n_read = 0
    for chunk in chunks:
        n_read += len(chunk)
        if n_read > options.max_bytes:
            raise too_large(path, f"more than {in_units(options.max_bytes)} in a file of {in_units(size)}", options)
        yield chunk


def _decompressed(file: BinaryIO, path: Path) -> Iterator[bytes]:
    start = file.read(len(GZIP_START))
    file.seek(0)
    try:
        if not start:
            raise EOFError("the file is empty")  # gzip itself reads an empty file as an empty text
        with gzip.open(file) as content:
            yield from iter(lambda: cast(bytes, content.read(N_CHUNK)), b"")
    except (OSError, EOFError, zlib.error) as error:
        damaged = start == GZIP_START
        raise UserError(
            "the gzip file is damaged" if damaged else "this is not a gzip file",
            code="file.damaged-gzip" if damaged else "file.not-gzip",
            path=path,
            found=str(error) if damaged or not start else f"{shorten(repr(start)[2:-1])} at its beginning, not the mark of gzip",
            expected="a complete gzip file, as its ending .gz says",
            hint="copy or compress it again" if damaged else "compress it, or remove .gz from its name",
        ) from None


def bytes_of(path: Path, options: FileOptions = DEFAULTS) -> bytes:
    """The whole file, decompressed if its name ends in .gz; raises `UserError` as `chunks_of`."""
    return b"".join(chunks_of(path, options))


def text_of(path: Path, options: FileOptions = DEFAULTS) -> str:
    """The whole file as text, with its line ends; bytes that cannot be decoded are a `UserError` with their line."""
    return "".join(decoded(chunks_of(path, options), path, options))


def lines_of(path: Path, options: FileOptions = DEFAULTS) -> list[str]:
    """The lines without their ends (LF or CRLF); more than `LINES_PER_ROW` for each allowed row are a `UserError`."""
    lines: list[str] = []
    for line in each_line(path, options):
        lines.append(line.removesuffix("\n").rstrip("\r"))
        if len(lines) > LINES_PER_ROW * options.max_rows:
            raise _too_many(path, len(lines) - 1, "lines", options)
    return lines


def each_line(path: Path, options: FileOptions = DEFAULTS) -> Iterator[str]:
    """The lines with their LF, one at a time; a text that ends in LF has an empty last line.

    Not `splitlines`, because a word or a text may contain U+0085 or U+2028.
    """
    begun: list[str] = []
    for chunk in decoded(chunks_of(path, options), path, options):
        first, *more = chunk.split("\n")
        begun.append(first)
        for line in more:
            yield "".join(begun) + "\n"
            begun = [line]
    yield "".join(begun)


def at_most(rows: Iterable[AnyRow], path: Path, options: FileOptions) -> Iterator[AnyRow]:
    """The rows; one more than `options.max_rows` is a `UserError`. What is wrong with the first one may be the whole file."""
    try:
        for position, row in enumerate(rows):
            if position == options.max_rows:
                raise _too_many(path, position, "rows", options)
            yield row
    except UserError as error:
        foreign = foreign_start(next(chunks_of(path, options), b"")) if error.code.startswith(OF_ANOTHER_FORMAT) else None
        if foreign is None:
            raise
        raise UserError(**error.fields | {"found": foreign.what, "hint": foreign.remedy}) from None


def too_large(path: Path, found: str, options: FileOptions, why: str = "") -> UserError:
    """The error for a file of which more would be read than is allowed."""
    return UserError(
        "the file is too large to be read into memory",
        code="file.too-large",
        path=path,
        found=found,
        expected=f"at most {in_units(options.max_bytes)}" + (why or options.hint(" (data.max_gib)", "")),
        hint=options.hint("raise data.max_gib if the memory suffices, or give a part of the file", "give a part of the file"),
    )


def _too_many(path: Path, n: int, what: str, options: FileOptions) -> UserError:
    return UserError(
        f"the file has too many {what} to be read into memory",
        code="file.too-many-rows",
        path=path,
        found=f"more than {n:,} {what} in {in_units(path.stat().st_size)}",
        expected=f"at most {options.max_rows:,} rows"
        + options.hint(" (data.max_rows)", "")
        + (f", with {LINES_PER_ROW} lines each" if what == "lines" else ""),
        hint=options.hint("raise data.max_rows if the memory suffices, or give a part of the file", "give a part of the file"),
    )


def in_units(n_bytes: float) -> str:
    """A size as 12.3 GiB, MiB, KiB or bytes."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


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


CONFIGS = (".yaml", ".yml")
"""Endings of studies, which are not suggested for a data file that is missing, nor data files for a study."""


def no_file(path: Path, expected: str, check: str) -> UserError:
    """The error for a path that does not exist, with the nearest name, or that is an address, a folder, a pipe or a device."""
    if (address := address_error(path, "the file")) is not None:
        return address
    if path.is_dir():
        inside = sorted(item.name for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
        holds = f"a folder with {shorten(', '.join(inside), 120)}" if inside else "a folder without files"
        data = [name for name in inside if Path(name).suffix.lower() not in ("", ".md", *CONFIGS)]
        hint = f"name a file in it, such as {path / (data or inside)[0]}" if inside else check
        problem = "this is a folder, not a file"
        return UserError(problem, code="file.is-folder", path=path, found=holds, expected=expected, hint=hint)
    if path.exists():
        kind = "a pipe" if path.is_fifo() else "a socket" if path.is_socket() else "a device"
        problem, hint = f"this is {kind}, not a file", "write its content to a file and name that"
        return UserError(problem, code="file.is-special", path=path, found=kind, expected=expected, hint=hint)
    if path.is_symlink():
        leads = f"a link to {path.readlink()}, where there is no file"
        return UserError(
            "file not found", code="file.not-found", path=path, found=leads, expected=expected, hint="correct the link"
        )
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    near = did_you_mean(path.name, [item.name for item in beside if (item.suffix in CONFIGS) == (path.suffix in CONFIGS)])
    return UserError("file not found", code="file.not-found", path=path, expected=expected, hint=near or check)


def empty_file(path: Path, expected: str) -> UserError:
    """The error for an empty file."""
    return UserError("the file is empty", code="file.empty", path=path, line=1, expected=expected, hint="add content")

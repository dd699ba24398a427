"""Plain text: one text per line, per paragraph or per file."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from bertft_core.data.examples import Row
from bertft_core.data.readers.file_text import empty_file, lines_of, wanted_columns

DEFAULT_COLUMNS = ("text",)

Lines = Iterable[tuple[int, str]]
"""Line number (from 1) and the line without its end."""


def read_text(path: Path, columns: Sequence[str] = DEFAULT_COLUMNS, unit: str = "paragraph") -> Iterator[Row]:
    """Yield (first line, (text,)) for each unit, a key of `UNITS`; the file itself names no column.

    Blank lines are separators and never a text; a file of blank lines is a `UserError`.
    """
    wanted_columns(path, columns, DEFAULT_COLUMNS, "texts without labels")
    lines = lines_of(path)
    if not any(line.strip() for line in lines):
        raise empty_file(path, "text")
    yield from UNITS[unit](enumerate(lines, start=1))


def _each_line(lines: Lines) -> Iterator[Row]:
    return ((number, (line,)) for number, line in lines if line.strip())


def _each_paragraph(lines: Lines) -> Iterator[Row]:
    for written, block in groupby(lines, key=lambda numbered: bool(numbered[1].strip())):
        if written:
            numbers, texts = zip(*block, strict=True)
            yield numbers[0], ("\n".join(texts),)


def _whole_document(lines: Lines) -> Iterator[Row]:
    yield 1, ("\n".join(line for _, line in lines).strip("\n"),)


UNITS = {"line": _each_line, "paragraph": _each_paragraph, "document": _whole_document}

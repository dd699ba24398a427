"""Plain text: one text per line, per paragraph or per file."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from bertft_core.data.cells import is_visible
from bertft_core.data.examples import Row
from bertft_core.data.readers.file_options import DEFAULTS, FileOptions
from bertft_core.data.readers.file_text import each_line, empty_file, wanted_columns

DEFAULT_COLUMNS = ("text",)

Lines = Iterable[tuple[int, str]]
"""Line number (from 1) and the line without its end."""


def read_text(
    path: Path, columns: Sequence[str] = DEFAULT_COLUMNS, unit: str = "paragraph", *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """Yield (first line, (text,)) for each unit, a key of `UNITS`; the file itself names no column.

    Lines without a visible character are separators and never a text; a file of such lines is a `UserError`.
    """
    wanted_columns(path, columns, DEFAULT_COLUMNS, "texts without labels")
    lines = ((number, line.removesuffix("\n").rstrip("\r")) for number, line in enumerate(each_line(path, options), start=1))
    texts = UNITS[unit](lines)
    first = next(texts, None)
    if first is None:
        raise empty_file(path, "text")
    yield first
    yield from texts


def _each_paragraph(lines: Lines) -> Iterator[Row]:
    for written, block in groupby(lines, key=lambda numbered: is_visible(numbered[1])):
        if written:
            numbers, texts = zip(*block, strict=True)
            yield numbers[0], ("\n".join(texts),)


def _whole_document(lines: Lines) -> Iterator[Row]:
    text = "\n".join(line for _, line in lines).strip("\n")
    if is_visible(text):
        yield 1, (text,)


UNITS = {
    "line": lambda lines: ((number, (line,)) for number, line in lines if is_visible(line)),
    "paragraph": _each_paragraph,
    "document": _whole_document,
}

"""File formats, by table: each reader yields the cells of every example with its line in the file.

What the cells are depends on the format: those of the wanted columns for tables; (words, tags, lines) for `conll` and
`conllu`; (id, question, context, answers) for `squad`; (text,) for `text`. Every file may also be compressed (`.gz`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from bertft_core.config import UserError
from bertft_core.data.examples import Row
from bertft_core.data.readers.conll import read_conll
from bertft_core.data.readers.conllu import read_conllu
from bertft_core.data.readers.file_content import format_by_content
from bertft_core.data.readers.file_options import DEFAULTS, FileOptions
from bertft_core.data.readers.file_text import GZIP_ENDING, no_file
from bertft_core.data.readers.parquet_table import read_parquet
from bertft_core.data.readers.plain_text import read_text
from bertft_core.data.readers.squad import read_squad
from bertft_core.data.readers.tables import read_csv, read_jsonl, read_tsv

__all__ = [
    "ENDINGS",
    "READERS",
    "SENTENCES",
    "TABLES",
    "Reader",
    "ending_of",
    "format_of",
    "read_squad",
    "read_text",
    "reader_of",
]


class Reader(Protocol):
    """What reads the wanted columns of a file."""

    def __call__(self, path: Path, columns: Sequence[str], /, *, options: FileOptions = DEFAULTS) -> Iterator[Row]: ...


TABLES = {"csv": read_csv, "tsv": read_tsv, "jsonl": read_jsonl, "parquet": read_parquet}
SENTENCES = {"conll": read_conll, "conllu": read_conllu}
READERS: dict[str, Reader] = {**TABLES, **SENTENCES, "squad": read_squad, "text": read_text}

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".conll": "conll",
    ".conll.txt": "conll",  # before .txt: the first ending that fits counts
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".conllu": "conllu",
    ".json": "squad",
    ".txt": "text",
}
"""Ending (of the name without .gz) → format."""


def reader_of(path: Path, file_format: str | None = None) -> Reader:
    """The reader of a file, by its ending unless a format is given; a missing file is a `UserError`."""
    if not path.is_file():
        raise no_file(path, "a data file", "check the path in data")
    return READERS[file_format or format_of(path)]


def format_of(path: Path) -> str:
    """The format that the ending names, a key of `READERS`; an unknown ending is a `UserError`."""
    ending = ending_of(path)
    if ending in ENDINGS:
        return ENDINGS[ending]
    if path.is_dir():
        raise no_file(path, "a data file", "check the path in data")
    content = format_by_content(path) if path.is_file() else None
    raise UserError(
        "unknown file format",
        code="data.unknown-format",
        path=path,
        found=(ending or "no ending") + (f"; the content looks like {content}" if content else ""),
        expected=f"one of {', '.join(ENDINGS)}, each also with {GZIP_ENDING}",
        hint="rename the file or set data.format" + (f": {content}" if content else ""),
    )


def ending_of(path: Path) -> str:
    """The ending in lower case without .gz: the first of `ENDINGS` that fits, else what follows the last dot, or nothing."""
    name = path.name.lower().removesuffix(GZIP_ENDING)
    return next((ending for ending in ENDINGS if name.endswith(ending)), Path(name).suffix)

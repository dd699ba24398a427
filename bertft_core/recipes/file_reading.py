"""How a data file is to be read: the keys of `data` that it needs, by the detection whose results refusals give as hints."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError, parse_study
from bertft_core.config.data_settings import READING_KEYS
from bertft_core.data.quote_findings import MAX_QUOTED_RATIO, is_quoted
from bertft_core.data.readers import ending_of, format_of
from bertft_core.data.readers.decoding import likely_encodings
from bertft_core.data.readers.file_content import DELIMITERS, format_by_content
from bertft_core.data.readers.file_options import FileOptions, options_of
from bertft_core.data.readers.file_text import chunks_of, each_line
from bertft_core.data.readers.table_rows import USUAL, Dialect, dialect_of, table_rows
from bertft_core.data.readers.table_shape import TableShape, is_even, shape_of
from bertft_core.recipes.reasons import Reason, because
from bertft_core.storage.foreign_content import foreign_start


class FileReading(NamedTuple):
    """How a file is read."""

    file_format: str
    options: FileOptions
    data: dict[str, Any]
    """Keys of the study's data section: those given, and what the file needs beyond the defaults."""
    conclusions: tuple[Reason, ...]


def reading_of(path: Path, given: Mapping[str, Any]) -> FileReading:
    """Format, encoding, delimiter, quoting and header of a file, each as given or by all of its content.

    Raises `UserError` for a file that cannot be read, for a page or an archive under the name of a data file, and for bytes of
    an encoding that nothing but the user knows.
    """
    _refuse_foreign(path, given)
    reading = FileReading("", options_with(path, given), dict(given), ())
    for step in (_encoding, _format, _dialect, _header):
        reading = step(path, reading)
    return reading


def _refuse_foreign(path: Path, given: Mapping[str, Any]) -> None:
    """What only looks like text would become a study of its lines."""
    foreign = foreign_start(next(chunks_of(path), b""))
    if foreign is not None and "format" not in given and ending_of(path) != ".parquet":
        raise UserError(
            "this is not a file of examples",
            code="recommend.foreign-content",
            path=path,
            found=foreign.what,
            expected="a data file",
            hint=f"{foreign.remedy}; if it holds examples nevertheless, name its format: --set data.format=FORMAT",
        )


def options_with(path: Path, data: Mapping[str, Any]) -> FileOptions:
    """The options of a study's keys; raises `UserError` for one that is not valid."""
    keys = {key: data[key] for key in READING_KEYS if key in data}
    values = {"name": "x", "data": {"source": "files", "train": str(path), **keys}, "arms": {"full": {}}}
    return options_of(parse_study(values, path="--set").data)


def _with(path: Path, reading: FileReading, found: Mapping[str, Any], rule: str, **values: Any) -> FileReading:
    data = reading.data | dict(found)
    concluded = (*reading.conclusions, because(rule, **values))
    return reading._replace(data=data, options=options_with(path, data), conclusions=concluded)


def _encoding(path: Path, reading: FileReading) -> FileReading:
    """An encoding that decodes the whole file, where UTF-8 does not and its bytes suggest one."""
    if "encoding" in reading.data or path.name.lower().removesuffix(".gz").endswith(".parquet"):
        return reading
    refused = _undecodable(path, reading.options)
    if refused is None or refused.code != "file.wrong-encoding":
        return reading  # the reader raises what else is wrong
    for encoding in likely_encodings(chunks_of(path, reading.options)):
        if _undecodable(path, options_with(path, reading.data | {"encoding": encoding})) is None:
            return _with(path, reading, {"encoding": encoding}, "encoding", encoding=encoding, why=refused.found)
    raise refused


def _undecodable(path: Path, options: FileOptions) -> UserError | None:
    try:
        for _ in each_line(path, options):
            pass
    except UserError as error:
        return error
    return None


def _format(path: Path, reading: FileReading) -> FileReading:
    """The ending's format, unless the content is a table, or sentences, in a file with another ending."""
    if "format" in reading.data:
        return reading._replace(file_format=reading.data["format"])
    content = format_by_content(path, reading.options.encoding)
    try:
        named = format_of(path)
    except UserError:
        if content is None:
            raise
        named = ""
    if content in (None, named) or named == "parquet" or (named, content) in SAME:
        return reading._replace(file_format=named)
    return _with(path, reading, {"format": content}, "format_by_content", format=content)._replace(file_format=str(content))


SAME = {
    ("jsonl", "squad"),
    ("tsv", "csv"),
    ("conll", "tsv"),
    ("conll", "csv"),
    ("conllu", "tsv"),
    ("conllu", "conll"),
}
"""(by the ending, by the content): what the ending says is possible too."""


def _dialect(path: Path, reading: FileReading) -> FileReading:
    """Another delimiter or quoting, where the format's own does not give every row the same number of cells."""
    if reading.file_format not in USUAL:
        return reading
    usual, given = dialect_of(reading.file_format, reading.options), reading.data
    if is_even(path, reading.options, usual):
        return _unquoted(path, reading, usual)
    delimiters = [usual.delimiter, *DELIMITERS] if "delimiter" not in given else [usual.delimiter]
    quotings = (usual.quoted, not usual.quoted) if "quoting" not in given else (usual.quoted,)
    for delimiter, quoted in ((d, q) for d in delimiters for q in quotings):
        if is_even(path, reading.options, Dialect(delimiter, quoted)):
            return _changed(path, reading, usual, Dialect(delimiter, quoted))
    return reading


def _changed(path: Path, reading: FileReading, usual: Dialect, found: Dialect) -> FileReading:
    if found.delimiter != usual.delimiter:
        reading = _with(path, reading, {"delimiter": found.delimiter}, "delimiter", delimiter=DELIMITERS[found.delimiter])
    if found.quoted != usual.quoted:
        reading = _quoting(path, reading, found.quoted)
    return reading


def _quoting(path: Path, reading: FileReading, quoted: bool) -> FileReading:
    return _with(path, reading, {"quoting": "double" if quoted else "none"}, "quoted" if quoted else "unquoted")


def _unquoted(path: Path, reading: FileReading, dialect: Dialect) -> FileReading:
    """Cells that a program has put in quotes, where quotes have no meaning yet: as the finding about them counts."""
    if dialect.quoted or "quoting" in reading.data:
        return reading
    n_rows, n_quoted, doubled = 0, 0, False
    for cells in table_rows(path, reading.options, dialect):
        quoted = [cell for cell in cells if is_quoted(cell)]
        n_rows, n_quoted = n_rows + 1, n_quoted + bool(quoted)
        doubled |= any('""' in cell[1:-1] for cell in quoted)
    by_program = n_quoted and (doubled or n_quoted > MAX_QUOTED_RATIO * n_rows)
    if by_program and is_even(path, reading.options, dialect._replace(quoted=True)):
        return _quoting(path, reading, quoted=True)
    return reading


def _header(path: Path, reading: FileReading) -> FileReading:
    """Names for the columns of a table without a header."""
    shape = None if "header" in reading.data else table_shape(path, reading)
    wanted = reading.data.get("text"), reading.data.get("label")
    if shape is None or shape.has_header or any(isinstance(name, str) and name not in shape.names for name in wanted):
        return reading
    return _with(path, reading, {"header": False, "columns": list(shape.names)}, "no_header", columns=list(shape.names))


def table_shape(path: Path, reading: FileReading) -> TableShape | None:
    """What the rows of CSV and TSV show; None for other formats, and for rows that cannot be read."""
    if reading.file_format not in USUAL:
        return None
    try:
        return shape_of(path, reading.options, dialect_of(reading.file_format, reading.options))
    except csv.Error:
        return None

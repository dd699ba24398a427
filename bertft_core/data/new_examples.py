"""Examples to predict: in the study's formats, with or without labels, or plain lines for a head that reads one text."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig, FileData
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.alignment.texts import text_columns
from bertft_core.data.cells import is_unicode
from bertft_core.data.columns import nearest_column
from bertft_core.data.examples import Example, SourceLocation, as_found
from bertft_core.data.readers import SENTENCES, TABLES, ending_of, format_of, read_squad, read_text
from bertft_core.data.readers.file_options import FileOptions, options_of
from bertft_core.data.readers.file_text import at_most, no_file
from bertft_core.data.readers.table_rows import USUAL, dialect_of, table_rows
from bertft_core.data.sentences import put_together

Given = tuple[int, object, Sequence[object]]
"""Line, id in the file or None, and the cells for the head's alignment, with None for the label."""


@dataclass(frozen=True)
class Inputs:
    """The examples to predict, in file order."""

    examples: tuple[Example, ...]
    ids: tuple[str | int | None, ...]
    """As given in the file."""
    path: str


def read_inputs(path: Path, data: DataConfig, kind: str, file_format: str | None = None) -> Inputs:
    """The examples of a file for the head of this kind. Raises `UserError` with file and line at the first invalid one."""
    if not path.is_file():
        raise no_file(path, "a file of examples", "check --input")
    chosen = _format_of(path, data, kind, file_format)
    read_example = ALIGNMENTS[kind].reader(data, labelled=False)
    options = _without_labels(path, chosen, data, kind)
    examples, ids = [], []
    for position, (line, key, cells) in enumerate(at_most(_rows(path, chosen, data, kind, options), path, options)):
        place = SourceLocation(str(path), line)
        ids.append(_id_of(key, place))
        examples.append(read_example(f"input-{position:06d}", tuple(cells), place))
    if not examples:
        raise UserError(
            "the file has no examples",
            code="predict.no-examples",
            path=path,
            line=1,
            expected="at least one example",
            hint="add examples",
        )
    return Inputs(tuple(examples), tuple(ids), str(path))


def formats_of(data: DataConfig, kind: str) -> tuple[str, ...]:
    """The file formats of examples for this head."""
    if kind == "token_classification":
        return (*TABLES, *SENTENCES)
    if kind == "question_answering":
        return (*TABLES, "squad")
    return (*TABLES, "text") if len(text_columns(data)) == 1 else tuple(TABLES)


def _format_of(path: Path, data: DataConfig, kind: str, given: str | None) -> str:
    """The given format; else the study's, if the file has the ending of its training file; else that of the ending."""
    own = data.format if isinstance(data, FileData) and ending_of(Path(data.train)) == ending_of(path) else None
    try:
        chosen = given or own or format_of(path)
    except UserError as error:
        raise UserError(**error.fields | {"path": path, "hint": "rename the file or give --format"}) from None
    known = formats_of(data, kind)
    if chosen not in known:
        raise UserError(
            f"the head '{kind}' cannot read this file format",
            code="predict.format-of-head",
            path=path,
            found=chosen,
            expected=f"one of {', '.join(known)}",
            hint="give --format, or convert the examples to another format",
        )
    return chosen


def _without_labels(path: Path, file_format: str, data: DataConfig, kind: str) -> FileOptions:
    """The study's options; of a file without a header, the columns without those of the label, if it lacks as many."""
    options = replace(options_of(data, kind), keys=False)  # they are those of the study, which stays as it is
    if options.header or file_format not in USUAL:
        return options
    label = {"token_classification": data.tags, "question_answering": data.answers}.get(kind, data.label)
    names = (label,) if isinstance(label, str) else label
    labels = {nearest_column(name, options.columns) for name in names}
    left = tuple(name for place, name in enumerate(options.columns) if place not in labels)
    try:
        first = next((cells for cells in table_rows(path, options, dialect_of(file_format, options)) if cells), ())
    except csv.Error:  # which the reader reports with its line
        return options
    return replace(options, columns=left) if len(first) == len(left) else options


def _rows(path: Path, file_format: str, data: DataConfig, kind: str, options: FileOptions) -> Iterator[Given]:
    if file_format in SENTENCES:
        for line, cells in SENTENCES[file_format](path, _word_columns(data), labelled=False, options=options):
            yield line, None, cells
    elif file_format == "squad":
        for line, cells in read_squad(
            path, (_id_column(data), data.question, data.context, data.answers), labelled=False, options=options
        ):
            yield line, cells[0], cells
    elif file_format == "text":
        for line, texts in read_text(path, unit="line", options=options):
            yield line, None, (*texts, None)
    elif data.sentence is not None:
        words = TABLES[file_format](path, (data.tokens, data.sentence), options=options)
        for line, cells in put_together(((line, (word, None, name)) for line, (word, name) in words), str(path), data.sentence):
            yield line, None, cells
    else:
        rows = TABLES[file_format](path, _read_columns(data, kind), (_id_column(data),), options=options)
        for line, (*wanted, key) in rows:
            yield line, key, (key, *wanted, None) if kind == "question_answering" else (*wanted, None)


def _word_columns(data: DataConfig) -> tuple[str, ...]:
    """The study's, if it was trained on sentences of such a format; the names of a table's columns mean nothing there."""
    own = isinstance(data, FileData) and (data.format or format_of(Path(data.train))) in SENTENCES
    return (data.tokens, data.tags) if own else ()


def _read_columns(data: DataConfig, kind: str) -> tuple[str, ...]:
    """Required columns of a table: all but id and label."""
    if kind == "token_classification":
        return (data.tokens,)
    if kind == "question_answering":
        return (data.question, data.context)
    return text_columns(data)


def _id_column(data: DataConfig) -> str:
    return data.id or "id"


def _id_of(value: object, place: SourceLocation) -> str | int | None:
    """The id as given; None if the cell is missing or empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if (isinstance(value, str) and is_unicode(value)) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise UserError(
        "the id is neither a text nor an integer",
        code="predict.id-invalid",
        path=place.path,
        line=place.line,
        found=as_found(value),
        expected="a text or an integer",
        hint="correct it or remove it",
    )

"""Data sources: from a study's `data` section to the examples of its splits."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.config.data_settings import TABLE_KEYS, TABLES, BundledData, DataConfig, FileData
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.bundled import bundled_files
from bertft_core.data.examples import RawSplit, ReadExample, read_split
from bertft_core.data.hub_data import read_hub
from bertft_core.data.marks import COLUMNLESS, Wanted, marks_of_extra, marks_of_study, refuse_columnless, with_marks
from bertft_core.data.readers import TABLES as TABLE_READERS
from bertft_core.data.readers import format_of, read_text, reader_of
from bertft_core.data.readers.file_content import ONE_LIST, format_by_content, is_list_of_rows, label_before_text
from bertft_core.data.readers.file_options import HEAD_OF_FORMAT, FileOptions, options_of
from bertft_core.data.readers.file_text import at_most, chunks_of
from bertft_core.data.sentences import put_together
from bertft_core.storage.foreign_content import foreign_start

Source = Callable[[Any, Wanted, ReadExample, str], dict[str, RawSplit]]
"""Data section, columns, reader of a row, and the kind of the head, which decides what hints offer."""


def read_bundled(data: BundledData, wanted: Wanted, read_example: ReadExample, head: str) -> dict[str, RawSplit]:
    """The splits of a bundled data set, whose files have the columns that they have: a study may name others."""
    files = bundled_files(data.name)
    options = options_of(data, head)
    try:
        splits = {name: _read_file(path, data, options, wanted, read_example, name) for name, path in files.items()}
    except UserError as error:
        raise _in_bundled(error, data) from None
    return {name: raw.derived(raw.examples, path=f"bundled {data.name}/{name}") for name, raw in splits.items()}


def _in_bundled(error: UserError, data: BundledData) -> UserError:
    """An error of a bundled file as one of the study, which names a column that the file does not have."""
    if error.code != "data.column-missing-or-duplicate":
        return error
    group = data.split.group_column
    hint = "name its columns in data, or choose another data.name"
    if group is not None and error.problem.endswith(f"'{group}'"):
        hint = "set data.split.group to one of its columns, or remove it"
    near = error.hint if "did you mean" in str(error.hint) else None
    return UserError(**error.fields | {"path": f"bundled {data.name}", "line": None, "hint": near or hint})


def read_files(data: FileData, wanted: Wanted, read_example: ReadExample, head: str) -> dict[str, RawSplit]:
    """The splits that have a file."""
    options = options_of(data, head)
    return {name: _read_file(Path(path), data, options, wanted, read_example, name) for name, path in data.split_files.items()}


SOURCES: dict[str, Source] = {"bundled": read_bundled, "files": read_files, "hub": read_hub}


def read_splits(data: DataConfig, kind: str = "classification", *, with_ids: bool = False) -> dict[str, RawSplit]:
    """Split name → examples for the head of this kind, for every split the source names.

    `with_ids`: their values in the column of ids too, where there is one. Raises `UserError` at the first error.
    """
    alignment = ALIGNMENTS[kind]
    if isinstance(data, FileData):
        _refuse_foreign_formats(data, kind, data.split_files.values())
        _refuse_unused_keys(data)
    marks = marks_of_study(data, with_ids=with_ids)
    return SOURCES[data.source](data, Wanted(alignment.columns(data), marks), alignment.reader(data), kind)


def read_extra_train(data: DataConfig, files: Iterable[str], kind: str) -> dict[str, RawSplit]:
    """A set of examples for each of these files of `extra_train`, read as the study's own files are; see `extra_name`."""
    alignment, options = ALIGNMENTS[kind], options_of(data, kind)
    paths = {extra_name(path): Path(path) for path in files}
    _refuse_foreign_formats(data, kind, paths.values())
    wanted, read = Wanted(alignment.columns(data), marks_of_extra(data)), alignment.reader(data)
    return {name: _read_file(path, data, options, wanted, read, name) for name, path in paths.items()}


def extra_name(path: str) -> str:
    """Name of a file of `extra_train` among the splits; no split of a study can have it."""
    return f"extra_train {path}"


def _refuse_foreign_formats(data: DataConfig, kind: str, paths: Iterable[str | Path]) -> None:
    """Some formats (words with tags, questions, plain text) fit only one kind of head."""
    given = getattr(data, "format", None)
    for path in paths:
        meant_for = HEAD_OF_FORMAT.get(given or format_of(Path(path)))
        if meant_for is not None and data.sentence is not None:
            raise UserError(
                "data.sentence is for tables with one word per row",
                code="data.sentence-without-table",
                path=Path(path),
                found=given or f"{format_of(Path(path))}, by the file's ending",
                expected=f"one of {', '.join(TABLES)}",
                hint="remove data.sentence, or set data.format",
            )
        if meant_for is not None and meant_for != kind:
            raise _foreign_format(Path(path), data, kind, meant_for)


def _refuse_unused_keys(data: FileData) -> None:
    """Keys that say how files are read, where no file has a format that has a use for them."""
    formats = {data.format or format_of(Path(path)) for path in data.split_files.values()}
    without = [*(TABLE_KEYS if not formats & {"csv", "tsv"} else ()), *(("encoding",) if formats == {"parquet"} else ())]
    for key in without:
        if getattr(data, key) != FileData.model_fields[key].default:
            raise UserError(
                f"the format of the data has no use for data.{key}",
                code="data.key-without-use",
                path=data.train,
                found=", ".join(sorted(formats)) + ("" if data.format else ", by the ending of the file"),
                expected="text files" if key == "encoding" else "csv or tsv",
                hint=f"remove data.{key}, or set data.format",
            )


def _foreign_format(path: Path, data: DataConfig, kind: str, meant_for: str) -> UserError:
    """The error for a format of another head; where only the ending names it, the content may show the right one."""
    known = (*TABLES, *(name for name, head in HEAD_OF_FORMAT.items() if head == kind))
    given, encoding = getattr(data, "format", None), options_of(data).encoding
    by_ending = given is None and path.is_file()
    content = format_by_content(path, encoding) if by_ending else None
    other = content if content in known and content != format_of(path) else None
    hint = _hint_by_content(path, encoding, kind, other) if by_ending else None
    named = given or f"{format_of(path)}, by the file's ending"
    return UserError(
        f"the head '{kind}' cannot be trained on this file format",
        code="data.format-of-head",
        path=path,
        found=named + (f"; the content looks like {other}" if other else ""),
        expected=f"one of {', '.join(known)}",
        hint=hint or f"set head: {meant_for}, or convert the examples to another format",
    )


def _hint_by_content(path: Path, encoding: str, kind: str, other: str | None) -> str | None:
    foreign = foreign_start(next(chunks_of(path), b""))
    if foreign is not None:
        return f"this is {foreign.what}: {foreign.remedy}"
    if other is not None:
        return f"set data.format: {other}"
    if is_list_of_rows(path, encoding):
        return ONE_LIST
    if kind != "classification" or label_before_text(path, encoding) is None:
        return None
    named = "set data.header: false and data.columns: [label, text]"
    return f"put a tab after each line's label (sed 's/ /\\t/' FILE > FILE.tsv), and {named}"


def _read_file(
    path: Path, data: DataConfig, options: FileOptions, wanted: Wanted, read_example: ReadExample, name: str
) -> RawSplit:
    reader = reader_of(path, getattr(data, "format", None))
    chosen = getattr(data, "format", None) or format_of(path)
    refuse_columnless(path, chosen, wanted.marks)
    marks = () if chosen in COLUMNLESS else wanted.marks
    if reader is read_text:
        rows = read_text(path, wanted.of_head, data.text_unit, options=options)
    elif chosen in TABLES:
        rows = TABLE_READERS[chosen](path, wanted.required, wanted.optional, options=options)
    else:
        rows = reader(path, (*wanted.required, *wanted.optional) if marks else wanted.of_head, options=options)
    if data.sentence is not None:
        rows = put_together(rows, str(path), data.sentence)
    return read_split(at_most(rows, path, options), name=name, path=str(path), read_example=with_marks(read_example, marks))

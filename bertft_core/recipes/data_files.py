"""The files of a data set: columns with usual names, splits beside a training file, and a name for its study."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bertft_core.config.data_settings import TABLES
from bertft_core.data.columns import nearest_column
from bertft_core.data.readers import READERS, format_of
from bertft_core.data.readers.file_text import GZIP_ENDING, at_most, each_line, empty_file
from bertft_core.data.readers.parquet_table import parquet_columns
from bertft_core.data.readers.table_rows import USUAL, dialect_of, table_rows
from bertft_core.data.usual_columns import QUESTION
from bertft_core.recipes.file_reading import FileReading, options_with
from bertft_core.recipes.reasons import Reason, because

SPLITS = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""Split → what its file's name has in place of 'train'."""
TRAIN = re.compile(r"train", re.IGNORECASE)
TEST_RATIO = 0.2
MAX_NAME = 80
"""Characters of a study's name that come from its file; with what is appended it may have 100."""


def column_names(path: Path, reading: FileReading) -> list[str]:
    """The columns of a table in order, read as a stream; of JSON lines, those that all rows have."""
    if reading.file_format in USUAL:
        rows = table_rows(path, reading.options, dialect_of(reading.file_format, reading.options))
        names = list(reading.options.columns) or _first(rows)
    elif reading.file_format == "jsonl":
        names = _common_keys(path, reading)
    else:
        names = parquet_columns(path, reading.options)
    if not names:
        for _ in READERS[reading.file_format](path, (), options=reading.options):  # which says what is wrong with a row
            pass
        raise empty_file(path, "column names, then rows")
    return names


def _first(rows: Iterable[list[str]]) -> list[str] | None:
    try:
        return next((cells for cells in rows if cells), None)
    except csv.Error:
        return None


def _common_keys(path: Path, reading: FileReading) -> list[str]:
    names: list[str] = []
    rows = at_most(filter(None, map(_object, each_line(path, reading.options))), path, reading.options)
    for number, value in enumerate(rows):
        names = [name for name in (names if number else value) if name in value]
    return names


def _object(line: str) -> dict[str, Any] | None:
    """The object on a line; None for anything else, as the reader reports what is wrong with it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def cells_of(path: Path, reading: FileReading, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The cells of columns in every row, as a stream: sorted files begin with one kind. Raises `UserError` for too many rows."""
    rows = READERS[reading.file_format](path, columns, options=reading.options)
    return (cells for _, cells in at_most(rows, path, reading.options))


def data_values(path: Path, head: str, columns: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Reason, ...]]:
    """Source and files of the data section, and how they were found; `columns` are keys of the data section."""
    data: dict[str, Any] = {"source": "files", "train": str(path.resolve())}
    beside = siblings(path)
    labelled = {split: file for split, file in beside.items() if _has_columns(file, columns)}
    data |= {split: str(file.resolve()) for split, file in labelled.items()}
    reasons = [because("split_beside", split=split, file=file.name) for split, file in labelled.items()]
    reasons += [because("split_unused", file=file.name) for split, file in beside.items() if split not in labelled]
    if "test" not in data and head != "masked_lm":
        data["split"] = {"test_ratio": TEST_RATIO}
        reasons.append(because("test_cut" if "validation" in data else "validation_and_test_cut"))
    return data, tuple(reasons)


def siblings(path: Path) -> dict[str, Path]:
    """Split → the file with the split's name in place of 'train'; none for a file without 'train' in its name."""
    found: dict[str, Path] = {}
    for split, words in SPLITS.items():
        if TRAIN.search(path.name):
            plain = path.name.removesuffix(GZIP_ENDING)
            names = [TRAIN.sub(word, plain, count=1) for word in words]
            files = [path.with_name(name + ending) for name in names for ending in ("", GZIP_ENDING)]
            present = [file for file in files if file.is_file()]
            found |= {split: present[0]} if present else {}
    return found


def _has_columns(path: Path, columns: Mapping[str, Any]) -> bool:
    """Whether a table has the columns of the training file; other formats have no names."""
    reading = FileReading(columns.get("format") or format_of(path), options_with(path, columns), dict(columns), ())
    if reading.file_format not in TABLES:
        return True
    if not reading.options.header:
        rows = table_rows(path, reading.options, dialect_of(reading.file_format, reading.options))
        return len(_first(rows) or ()) == len(reading.options.columns)
    names = column_names(path, reading)
    wanted = (columns[key] for key in ("text", "label", "tokens", "tags", "sentence", *QUESTION) if key in columns)
    return all(
        nearest_column(name, names) is not None for value in wanted for name in ([value] if isinstance(value, str) else value)
    )


def study_name(path: Path) -> str:
    """After the file, or after its folder where the file is just called 'train'."""
    stem = path.name.removesuffix(GZIP_ENDING).split(".")[0]
    name = path.resolve().parent.name if stem.lower() == "train" else stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:MAX_NAME].rstrip("-._") or "study"

"""Usual names of columns, and which of them a table has."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.readers import READERS
from bertft_core.data.readers.file_text import GZIP_ENDING, bytes_of, empty_file, text_of

PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("question", "sentence"),
)
TEXTS = ("text", "sentence", "content", "review", "message", "document", "body", "comment", "utterance", "tweet", "title")
LABELS = ("label", "labels", "class", "category", "target", "score", "rating", "stars", "sentiment", "intent", "topic", "emotion")
TOKENS = ("tokens", "words")
TAGS = ("tags", "ner_tags", "ner", "pos_tags", "upos", "pos", "labels")
IDS = ("id", "idx", "index", "guid", "uid")
"""Columns that say nothing about the example."""
QUESTION = ("question", "context", "answers")
N_READ = 1000
"""Rows that a guess looks at."""


def column_names(path: Path, file_format: str) -> list[str]:
    """The columns of a table, in their order; of JSON lines those that all of the first rows have."""
    if file_format in ("csv", "tsv"):
        delimiter = "," if file_format == "csv" else "\t"
        rows = csv.reader(io.StringIO(text_of(path), newline=""), delimiter=delimiter)
        names = next((cells for cells in rows if cells), None)
    elif file_format == "jsonl":
        lines = itertools.islice((line for line in text_of(path).split("\n") if line.strip()), N_READ)
        objects = [value for line in lines if isinstance(value := _json(line), dict)]
        names = [name for name in objects[0] if all(name in value for value in objects)] if objects else None
    else:
        names = _parquet_names(path)
    if not names:
        raise empty_file(path, "column names, then rows")
    return names


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None  # the reader tells what is wrong with the line


def _parquet_names(path: Path) -> list[str]:
    import pyarrow
    from pyarrow import parquet

    try:
        source = io.BytesIO(bytes_of(path)) if path.suffix.lower() == GZIP_ENDING else path
        return list(parquet.read_schema(source).names)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(
            "this is no readable Parquet file", path=path, found=str(error)[:160], expected="a Parquet file"
        ) from None


def cells_of(path: Path, file_format: str, column: str) -> list[Any]:
    """The first cells of a column."""
    return [cells[0] for _, cells in itertools.islice(READERS[file_format](path, [column]), N_READ)]


def find_text(names: Sequence[str], given: Mapping[str, Any]) -> str | tuple[str, str] | None:
    """The text column, or the two of a pair: as given, or with a usual name. None where there is none."""
    if "text" in given:
        text = given["text"]
        return text if isinstance(text, str) else tuple(text)
    for pair in PAIRS:
        if set(pair) <= set(names):
            return pair
    return next((name for name in TEXTS if name in names), None)


def find_label(names: Sequence[str], given: Mapping[str, Any]) -> str | None:
    """The label column: as given, or with a usual name."""
    return given["label"] if "label" in given else next((name for name in LABELS if name in names), None)


def find_first(usual: Sequence[str], names: Sequence[str], given: Mapping[str, Any], key: str) -> str | None:
    """The column of a key of `data`: as given, or the first usual name that is there."""
    return given[key] if key in given else next((name for name in usual if name in names), None)

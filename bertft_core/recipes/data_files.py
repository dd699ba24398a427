"""The files of a data set: columns with usual names, splits beside a training file, and a name for its study."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.config.data_settings import TABLES
from bertft_core.data.readers import READERS, format_of
from bertft_core.data.readers.file_text import GZIP_ENDING, bytes_of, empty_file, text_of
from bertft_core.recipes.reasons import Reason, because

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
"""Columns that hold nothing about the example."""
QUESTION = ("question", "context", "answers")
SPLITS = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""Split → what its file's name has in place of 'train'."""
TRAIN = re.compile(r"train", re.IGNORECASE)
TEST_RATIO = 0.2
MAX_NAME = 80
"""Characters of a study's name that come from its file; with what is appended it may have 100."""


def column_names(path: Path, file_format: str) -> list[str]:
    """The columns of a table in order; of JSON lines, those that all rows have."""
    if file_format in ("csv", "tsv"):
        delimiter = "," if file_format == "csv" else "\t"
        rows = csv.reader(io.StringIO(text_of(path), newline=""), delimiter=delimiter)
        names = next((cells for cells in rows if cells), None)
    elif file_format == "jsonl":
        lines = (line for line in text_of(path).split("\n") if line.strip())
        objects = [list(value) for line in lines if isinstance(value := _json(line), dict)]
        common = set.intersection(*map(set, objects)) if objects else set()
        names = [name for name in objects[0] if name in common] if objects else None
    else:
        names = _parquet_names(path)
    if not names:
        raise empty_file(path, "column names, then rows")
    return names


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None  # the reader reports what is wrong with the line


def _parquet_names(path: Path) -> list[str]:
    import pyarrow
    from pyarrow import parquet

    try:
        source = io.BytesIO(bytes_of(path)) if path.suffix.lower() == GZIP_ENDING else path
        return list(parquet.read_schema(source).names)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(
            "not a readable Parquet file",
            hint="write it again, for instance with pandas.DataFrame.to_parquet",
            code="recommend.unreadable-parquet",
            path=path,
            found=str(error)[:160],
            expected="a Parquet file",
        ) from None


def cells_of(path: Path, file_format: str, column: str) -> list[Any]:
    """The cells of a column: all of them, as sorted files begin with one kind."""
    return [cells[0] for _, cells in READERS[file_format](path, [column])]


def find_text(names: Sequence[str], given: Mapping[str, Any]) -> str | tuple[str, str] | None:
    """The text column, or the two of a pair: as given, or with a usual name. None where there is none."""
    if "text" in given:
        text = given["text"]
        return text if isinstance(text, str) else tuple(text)
    for pair in PAIRS:
        found = [_usual((name,), names) for name in pair]
        if found[0] is not None and found[1] is not None:
            return found[0], found[1]
    return _usual(TEXTS, names)


def find_label(names: Sequence[str], given: Mapping[str, Any]) -> str | None:
    """The label column: as given, or with a usual name."""
    return given["label"] if "label" in given else _usual(LABELS, names)


def find_first(usual: Sequence[str], names: Sequence[str], given: Mapping[str, Any], key: str) -> str | None:
    """The column of a key of `data`: as given, or the first usual name that is there."""
    return given[key] if key in given else _usual(usual, names)


def _usual(usual: Sequence[str], names: Sequence[str]) -> str | None:
    """The first usual name that is there, as it is written there: Text and LABEL are usual too."""
    by_folded = {name.casefold().strip(): name for name in reversed(names)}
    return next((by_folded[name] for name in usual if name in by_folded), None)


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
    if format_of(path) not in TABLES:
        return True
    wanted = (columns[key] for key in ("text", "label", "tokens", "tags", *QUESTION) if key in columns)
    names = {name for value in wanted for name in ([value] if isinstance(value, str) else value)}
    return names <= set(column_names(path, format_of(path)))


def study_name(path: Path) -> str:
    """After the file, or after its folder where the file is just called 'train'."""
    stem = path.name.removesuffix(GZIP_ENDING).split(".")[0]
    name = path.resolve().parent.name if stem.lower() == "train" else stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:MAX_NAME].rstrip("-._") or "study"

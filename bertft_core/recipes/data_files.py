"""The files of a data set: which splits lie beside a training file, and what a study of it is called."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bertft_core.data.readers import format_of
from bertft_core.data.readers.file_text import GZIP_ENDING
from bertft_core.recipes.column_names import column_names
from bertft_core.recipes.task_guess import Guess

SPLITS = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""Split → what stands in place of 'train' in its file's name."""
TRAIN = re.compile(r"train", re.IGNORECASE)
TABLES = ("csv", "tsv", "jsonl", "parquet")
TEST_RATIO = 0.2
MAX_NAME = 80
"""Characters that a file gives to its study's name, which has 100 with what is appended."""


def data_values(path: Path, found: Guess) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Source and files of the data section, and what is told of them."""
    data: dict[str, Any] = {"source": "files", "train": str(path.resolve())}
    beside = siblings(path)
    labelled = {split: file for split, file in beside.items() if _has_columns(file, found)}
    data |= {split: str(file.resolve()) for split, file in labelled.items()}
    told = [f"{split} set: {file.name}, which lies beside it" for split, file in labelled.items()]
    told += [f"{beside[split].name} is not used: it lacks the columns" for split in beside if split not in labelled]
    if "test" not in data and found.head != "masked_lm":
        data["split"] = {"test_ratio": TEST_RATIO}
        missing = "a test set" if "validation" in data else "a validation set and another for a test set"
        told.append(f"a fifth is cut from it for {missing}: nothing is chosen by the score that is reported")
    return data, tuple(told)


def siblings(path: Path) -> dict[str, Path]:
    """Split → the file whose name has the split's where this one's has 'train'; none for a name without it."""
    found: dict[str, Path] = {}
    for split, words in SPLITS.items():
        if TRAIN.search(path.name):
            plain = path.name.removesuffix(GZIP_ENDING)
            names = [TRAIN.sub(word, plain, count=1) for word in words]
            files = [path.with_name(name + ending) for name in names for ending in ("", GZIP_ENDING)]
            present = [file for file in files if file.is_file()]
            found |= {split: present[0]} if present else {}
    return found


def _has_columns(path: Path, found: Guess) -> bool:
    """Whether a table has the columns of the training file; other formats have no names."""
    if format_of(path) not in TABLES:
        return True
    names = column_names(path, format_of(path))
    wanted = [
        found.data[key] for key in ("text", "label", "tokens", "tags", "question", "context", "answers") if key in found.data
    ]
    columns = {name for value in wanted for name in ([value] if isinstance(value, str) else value)}
    return columns <= set(names)


def study_name(path: Path) -> str:
    """Of the file, or of its folder where the file is only called 'train'."""
    stem = path.name.removesuffix(GZIP_ENDING).split(".")[0]
    name = path.resolve().parent.name if stem.lower() == "train" else stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:MAX_NAME].rstrip("-._") or "study"

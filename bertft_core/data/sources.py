"""Data sources: what a study's `data` section says → the splits it names, as examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bertft_core.config.data import BundledData, DataConfig, FileData
from bertft_core.data.bundled import bundled_files
from bertft_core.data.examples import RawSplit, read_split
from bertft_core.data.hub_data import read_hub
from bertft_core.data.readers import reader_of

Source = Callable[[Any, Sequence[str]], dict[str, RawSplit]]


def read_bundled(data: BundledData, columns: Sequence[str]) -> dict[str, RawSplit]:
    """The splits of a set that ships with bertft."""
    splits = {name: _read_file(path, columns, name) for name, path in bundled_files(data.name).items()}
    return {name: RawSplit(raw.examples, raw.path, f"bundled {data.name}/{name}") for name, raw in splits.items()}


def read_files(data: FileData, columns: Sequence[str]) -> dict[str, RawSplit]:
    """The splits that have a file."""
    named = {"train": data.train, "validation": data.validation, "test": data.test} | data.out_of_domain
    return {name: _read_file(Path(path), columns, name, data.format) for name, path in named.items() if path is not None}


SOURCES: dict[str, Source] = {"bundled": read_bundled, "files": read_files, "hub": read_hub}


def read_splits(data: DataConfig) -> dict[str, RawSplit]:
    """Split name → examples, for every split the source names; raises `UserError` at the first mistake in it."""
    texts = (data.text,) if isinstance(data.text, str) else data.text
    return SOURCES[data.source](data, (*texts, data.label))


def _read_file(path: Path, columns: Sequence[str], name: str, file_format: str | None = None) -> RawSplit:
    reader = reader_of(path, file_format)
    return read_split(reader(path, columns), columns, name=name, path=str(path))

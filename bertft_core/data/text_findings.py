"""Findings about text files whose lines are no texts alone: their tags, tabs, commas or labels would be learned as text."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bertft_core.config.data_settings import DataConfig, FileData
from bertft_core.data.examples import RawSplit
from bertft_core.data.readers import format_of
from bertft_core.data.readers.file_content import format_by_content, label_before_text
from bertft_core.records import DataFinding


def find_rows_as_texts(splits: Mapping[str, RawSplit], data: DataConfig) -> Iterator[DataFinding]:
    """Splits of which only the ending says that they are text; `data.format: text` says that it is meant."""
    if not isinstance(data, FileData) or data.format is not None:
        return
    for name, split in splits.items():
        path = Path(split.path)
        if format_of(path) != "text":
            continue
        n, content, label = len(split.examples), format_by_content(path, data.encoding), label_before_text(path, data.encoding)
        if content is not None:
            yield DataFinding(check="rows_as_texts", split=name, count=n, names=(path.name, content))
        elif label is not None:
            yield DataFinding(check="labels_in_texts", split=name, count=n, names=(path.name, label))

"""A finding about text files whose lines are rows of another format: their tags, tabs and commas would be learned as text."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bertft_core.config.data_settings import DataConfig, FileData
from bertft_core.data.examples import RawSplit
from bertft_core.data.readers import format_of
from bertft_core.data.readers.file_content import format_by_content
from bertft_core.records import DataFinding


def find_rows_as_texts(splits: Mapping[str, RawSplit], data: DataConfig) -> Iterator[DataFinding]:
    """Splits of which only the ending says that they are text; `data.format: text` says that it is meant."""
    if not isinstance(data, FileData) or data.format is not None:
        return
    for name, split in splits.items():
        path = Path(split.path)
        content = format_by_content(path, data.encoding) if format_of(path) == "text" else None
        if content is not None:
            yield DataFinding(check="rows_as_texts", split=name, count=len(split.examples), names=(path.name, content))

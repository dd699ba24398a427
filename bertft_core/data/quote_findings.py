"""A finding about quotes: a spreadsheet puts cells in quotes, which have no meaning in TSV and so become part of the texts."""

from collections.abc import Iterator
from pathlib import Path

from bertft_core.config.data_settings import FileData
from bertft_core.data.data_findings import PreparedData, places
from bertft_core.data.readers import format_of
from bertft_core.records import DataFinding

MAX_QUOTED_RATIO = 0.05
"""Some texts are quotations; more of them than this, or one with doubled quotes inside, were put in quotes by a program."""


def find_quoted_texts(data: PreparedData) -> Iterator[DataFinding]:
    """Texts of a TSV file that are in double quotes as a whole, unless `data.quoting` says what quotes mean."""
    settings = data.settings
    if not isinstance(settings, FileData) or settings.quoting is not None:
        return
    for name, split in data.raw.items():
        if (settings.format or format_of(Path(split.path))) != "tsv":
            continue
        quoted = [example for example in split.examples if any(map(is_quoted, example.texts))]
        doubled = any('""' in text[1:-1] for example in quoted for text in example.texts)
        if doubled or len(quoted) > MAX_QUOTED_RATIO * len(split.examples):
            yield DataFinding(check="quoted_texts", split=name, count=len(quoted), examples=places(split, quoted))


def is_quoted(text: str) -> bool:
    """Whether quotes enclose the text and all within are doubled, as CSV writes a cell."""
    inside = text.strip()[1:-1]
    return f'"{inside}"' == text.strip() and '"' not in inside.replace('""', "")

"""How a file is read apart from its format: its encoding, whether it names its columns, and how much of it is read."""

from dataclasses import dataclass

from bertft_core.config.data_settings import MAX_GIB, MAX_ROWS, DataConfig, FileData

LINES_PER_ROW = 20
"""A file of words, or of lines in paragraphs, may have so many more lines than sentences or paragraphs."""
WHOLE_RATIO = 8
"""A format that is parsed as a whole (JSON) needs several times its size in memory, so its files may be so many times smaller."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The settings of `data` that readers share; those of a format that has no use for one are ignored by the others."""

    encoding: str = "utf-8"
    header: bool = True
    """Whether the first row of CSV or TSV names the columns."""
    columns: tuple[str, ...] = ()
    """Their names where it does not."""
    delimiter: str | None = None
    quoting: str | None = None
    max_bytes: int = int(MAX_GIB * 2**30)
    """Of one file, decompressed."""
    max_rows: int = MAX_ROWS


DEFAULTS = FileOptions()


def options_of(data: DataConfig) -> FileOptions:
    """The options of a study's files; the defaults for other sources."""
    if not isinstance(data, FileData):
        return DEFAULTS
    return FileOptions(
        encoding=data.encoding,
        header=data.header,
        columns=data.columns or (),
        delimiter=data.delimiter,
        quoting=data.quoting,
        max_bytes=int(data.max_gib * 2**30),
        max_rows=data.max_rows,
    )
